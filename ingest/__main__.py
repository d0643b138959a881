"""python -m ingest: one event loop from Kite's sockets to Redis."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop
from twisted.internet import asyncioreactor
from twisted.logger import STDLibLogObserver, globalLogBeginner

from stormalert import process
from stormalert.config import overrides


def _run_on_shared_loop(main: Coroutine[Any, Any, None]) -> None:
    """Runs with Twisted's reactor and asyncio on one uvloop loop, so that no frame changes threads."""
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    observers = [STDLibLogObserver()]
    globalLogBeginner.beginLoggingTo(observers, redirectStandardIO=False, discardBuffer=True)  # type: ignore[arg-type]
    from twisted.internet import reactor

    reactor.startRunning(installSignalHandlers=False)
    try:
        loop.run_until_complete(main)
    finally:
        loop.run_until_complete(loop.shutdown_default_executor())
        # Ends Twisted's own threads, which look names up: the process would wait for them for ever.
        reactor.fireSystemEvent("shutdown")  # type: ignore[call-arg, misc]
        loop.close()


if __name__ == "__main__":

    async def main(*given: Any) -> None:
        # kiteconnect takes the reactor that is installed when it is first imported.
        from ingest.ingest import ingest

        await ingest(*given)

    process.run("ingest", main, _run_on_shared_loop, follows=overrides.KITE)
