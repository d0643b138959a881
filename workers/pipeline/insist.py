"""Asking a Redis that may be away for a moment: what is in hand must not be lost by it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from stormalert.process import AWAY_S, UNREACHABLE

log = logging.getLogger("stormalert")


Reply = TypeVar("Reply")


async def insist(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Asks until Redis answers."""
    while True:
        try:
            return await ask()
        except UNREACHABLE as error:
            log.debug("redis is away", extra={"reason": type(error).__name__})
            await asyncio.sleep(AWAY_S)
