import time
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from sandbox.recording import INDIA

PATIENCE_S = 60.0


@pytest.fixture
def kite(sandbox: Any) -> Any:
    """Ask as a logged-in application, waiting where Kite's limits of a second ask for it."""
    sandbox.log_in()

    def ask(path: str) -> tuple[int, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            status, answer = sandbox.kite(path)
            if status != 429 or time.monotonic() > deadline:
                return status, answer
            time.sleep(0.1)

    return ask


def historical(minutes: float, interval: str = "minute") -> str:
    # In the midst of a minute: between two borders there is one candle more.
    now = datetime.now(INDIA).replace(second=30)
    query = {"from": f"{now - timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}", "to": f"{now:%Y-%m-%d %H:%M:%S}"}
    return f"/instruments/historical/408065/{interval}?{urlencode(query)}"


def test_without_a_valid_token_everything_is_a_token_exception(sandbox: Any) -> None:
    for header in ("", "token sandbox-key:wrong", "Bearer x"):
        status, answer = sandbox.call("GET", "/user/profile", Authorization=header)
        assert (status, answer["error_type"], answer["data"]) == (403, "TokenException", None)


def test_a_wrong_checksum_is_refused(sandbox: Any) -> None:
    form = {"api_key": "sandbox-key", "request_token": "x", "checksum": "y"}
    status, answer = sandbox.call("POST", "/session/token", urlencode(form).encode())
    assert (status, answer["error_type"]) == (403, "TokenException")
    status, answer = sandbox.call("POST", "/session/token", b"api_key=sandbox-key")
    assert (status, answer["error_type"]) == (400, "InputException")


def test_an_unknown_application_sees_which_key_is_wrong(sandbox: Any) -> None:
    for method in ("GET", "POST"):
        status, answer = sandbox.call(method, "/connect/login?v=3&api_key=%3Cb%3E", None if method == "GET" else b"")
        assert status == 400
        assert "Invalid api_key" in answer
        assert "&lt;b&gt;" in answer


def test_logging_out_ends_the_session(sandbox: Any) -> None:
    token = sandbox.log_in()
    assert sandbox.call("DELETE", f"/session/token?api_key=sandbox-key&access_token={token}")[0] == 200
    assert sandbox.kite("/user/profile")[0] == 403


def test_quotes_answer_for_what_is_known(kite: Any) -> None:
    status, answer = kite("/quote/ltp?i=NSE:INFY&i=NSE:NOWHERE&i=NSE:NIFTY+50")
    assert status == 200
    assert sorted(answer["data"]) == ["NSE:INFY", "NSE:NIFTY 50"]
    assert answer["data"]["NSE:INFY"]["instrument_token"] == 408065
    assert kite("/quote/ohlc?i=NSE:INFY")[1]["data"]["NSE:INFY"]["ohlc"]["close"] > 0
    assert len(kite("/quote?i=NSE:INFY")[1]["data"]["NSE:INFY"]["depth"]["sell"]) == 5
    assert kite("/quote")[1]["error_type"] == "InputException"


def test_a_second_quote_within_the_second_is_too_many(sandbox: Any) -> None:
    sandbox.log_in()
    statuses = [sandbox.kite("/quote/ltp?i=NSE:INFY")[0] for _ in range(4)]
    assert 429 in statuses


def test_minute_candles_of_today_are_the_same_when_asked_again(kite: Any) -> None:
    status, answer = kite(historical(30))
    assert status == 200
    assert len(answer["data"]["candles"]) == 30
    again = kite(historical(30))[1]["data"]["candles"]
    common = [candle for candle in answer["data"]["candles"][:-1] if candle in again]
    assert len(common) >= 28


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (historical(61 * 24 * 60), "interval exceeds max limit: 60 days"),
        (historical(5, "fortnight"), "invalid interval"),
        ("/instruments/historical/1/minute?from=x&to=y", "invalid token"),
        ("/instruments/historical/408065/minute?from=x&to=y", "invalid `from` date"),
    ],
)
def test_bad_candle_requests_are_input_exceptions(kite: Any, path: str, message: str) -> None:
    status, answer = kite(path)
    assert (status, answer["error_type"], answer["message"]) == (400, "InputException", message)


def test_rest_faults_answer_as_kite_does(sandbox: Any) -> None:
    sandbox.log_in()
    sandbox.fault(rest={"too_many": 1.0})
    assert sandbox.kite("/user/profile")[0] == 429
    sandbox.fault(rest={"too_many": 0.0, "unavailable": 1.0})
    status, answer = sandbox.kite("/user/profile")
    assert (status, answer["error_type"]) == (503, "NetworkException")
