"""Threads in which stages ask the store: no provider's library that blocks in a thread of the event loop can hold these."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# A question to the store takes milliseconds; SQLite answers one at a time, MongoDB keeps a connection a thread.
_STORE = ThreadPoolExecutor(8, "store")

Found = TypeVar("Found")


async def in_thread(ask: Callable[[], Found]) -> Found:
    return await asyncio.get_running_loop().run_in_executor(_STORE, ask)
