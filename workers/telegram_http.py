"""What python-telegram-bot asks by: its own connections, with one deadline for the whole of a call.

Its time-outs are of each read, which an answer that comes byte by byte never lets pass.
"""

import asyncio
from typing import Any

from telegram.error import TimedOut
from telegram.request import HTTPXRequest


class TelegramHttp(HTTPXRequest):
    """`within_s`: from the question to the last byte of the answer. Raises the library's TimedOut."""

    def __init__(self, within_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._within_s = within_s

    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._within_s):
                return await super().do_request(*args, **options)
        except TimeoutError:
            raise TimedOut from None
