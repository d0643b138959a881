import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

SESSION = Path(__file__).with_name("kiteconnect_session.py")


def request_token(sandbox: Any) -> str:
    status, _ = sandbox.call("GET", "/connect/login?v=3&api_key=sandbox-key")
    assert status == 200
    opener = urllib.request.build_opener(NoRedirect)
    with pytest.raises(urllib.error.HTTPError) as moved:
        opener.open(f"{sandbox.http}/connect/login?v=3&api_key=sandbox-key&redirect_params=a%3D1", b"", timeout=60)
    with moved.value:
        location = moved.value.headers["Location"]
    query = parse_qs(urlsplit(location).query)
    assert location.startswith("http://127.0.0.1:9/callback?")
    assert (query["action"], query["status"], query["a"]) == (["login"], ["success"], ["1"])
    return query["request_token"][0]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def test_the_unmodified_library_logs_in_and_streams(sandbox: Any) -> None:
    command = [sys.executable, str(SESSION), sandbox.http, sandbox.ws, request_token(sandbox)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["instruments"] == 3102
    assert seen["after_logout"] == 403
    infy, nifty = seen["ticks"]["408065"], seen["ticks"]["256265"]
    assert infy["tradable"] and not nifty["tradable"]
    assert infy["last_price"] == pytest.approx(seen["ltp"], rel=0.02)
    for tick in (infy, nifty):
        assert tick["ohlc"]["low"] <= tick["last_price"] <= tick["ohlc"]["high"]
    assert len(infy["depth"]["buy"]) == len(infy["depth"]["sell"]) == 5
    assert infy["depth"]["buy"][0]["price"] < infy["depth"]["sell"][0]["price"]
