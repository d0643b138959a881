"""Logs in and streams with the unmodified kiteconnect; a process of its own, because Twisted's reactor cannot restart.

Arguments: the roots of REST and stream, and a request token. Prints what it saw as JSON.
"""

import json
import sys
import threading
from typing import Any

from kiteconnect import KiteConnect, KiteTicker
from kiteconnect.exceptions import TokenException

INFY, NIFTY = 408065, 256265
PATIENCE_S = 60.0


def main() -> None:
    rest, stream, request_token = sys.argv[1:]
    kite = KiteConnect("sandbox-key", root=rest)
    session = kite.generate_session(request_token, "sandbox-secret")
    seen: dict[str, Any] = {
        "user": kite.profile()["user_id"],
        "instruments": len(kite.instruments("NSE")),
        "ltp": kite.ltp("NSE:INFY")["NSE:INFY"]["last_price"],
    }
    ticks: dict[int, dict[str, Any]] = {}
    done = threading.Event()

    def on_connect(ticker: KiteTicker, _: object) -> None:
        ticker.subscribe([INFY, NIFTY])
        ticker.set_mode(ticker.MODE_FULL, [INFY, NIFTY])

    def on_ticks(_: KiteTicker, received: list[dict[str, Any]]) -> None:
        ticks.update({tick["instrument_token"]: tick for tick in received if tick["mode"] == "full"})
        if len(ticks) == 2:
            done.set()

    ticker = KiteTicker("sandbox-key", session["access_token"], root=stream)
    ticker.on_connect, ticker.on_ticks = on_connect, on_ticks
    ticker.connect(threaded=True)
    done.wait(PATIENCE_S)
    ticker.close()
    seen["ticks"] = {str(token): tick for token, tick in ticks.items()}
    kite.invalidate_access_token()
    try:
        kite.profile()
    except TokenException as error:
        seen["after_logout"] = error.code
    print(json.dumps(seen, default=str))


main()
