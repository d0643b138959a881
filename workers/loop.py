"""An event loop in a thread, beside a library that wants the main thread: it beats the heartbeat, and sends."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from stormalert.process import Heartbeat

# Encrypted connections that were closed still exchange a word.
GOODBYE_S = 0.2
# Of asyncio.to_thread; what a provider's library could hold has threads of its own.
THREADS = 16

Result = TypeVar("Result")


class Loop:
    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
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
