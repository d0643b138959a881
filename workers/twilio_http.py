"""What Twilio's library sends by: our own connections, with one deadline for the whole of a call.

Its own clients have a time-out of each read, which an answer that comes byte by byte never lets pass, and hold a
thread, or make a connection, for each message.
"""

import asyncio
import logging
from typing import Any

import httpx
from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from workers.deadlines import ANSWER_S, STEP_S

log = logging.getLogger("twilio.http_client")


class TwilioHttp(AsyncHttpClient):  # type: ignore[misc]
    """Belongs into one event loop."""

    def __init__(self) -> None:
        super().__init__(log, True, STEP_S)
        self._client = httpx.AsyncClient(timeout=STEP_S)

    async def request(
        self,
        method: str,
        url: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Raises TimeoutError when the answer is not whole in time, httpx.HTTPError when there is none."""
        asked: dict[str, Any] = {"params": params, "data": data, "headers": headers, "auth": auth}
        async with asyncio.timeout(ANSWER_S):
            answer = await self._client.request(method, url, **asked, follow_redirects=allow_redirects)
        return Response(answer.status_code, answer.text, answer.headers)

    async def close(self) -> None:
        await self._client.aclose()
