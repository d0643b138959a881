"""An event loop in a thread, beside a library that wants the main thread: it beats the heartbeat, and sends."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from stormalert.process import Heartbeat
from workers.names import NamingLoop

# Encrypted connections that were closed still exchange a word.
GOODBYE_S = 0.2
# Of asyncio.to_thread; no call to a provider is made in one.
THREADS = 16

Result = TypeVar("Result")


class Loop:
    def __init__(self) -> None:
        self._loop = NamingLoop()
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS, "loop"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="loop", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.run(asyncio.sleep(GOODBYE_S))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return self.start(coroutine).result()

    def start(self, coroutine: Coroutine[Any, Any, Result]) -> Future[Result]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    @contextmanager
    def beating(self, heartbeat: Heartbeat) -> Iterator[None]:
        stopping = asyncio.Event()
        beats = self.start(heartbeat.beat_until(stopping))
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(stopping.set)
            beats.result()
