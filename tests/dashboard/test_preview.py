"""Rules that are being made, tried on the minutes in Redis."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard import resources
from dashboard.backtest import prices
from dashboard.rules import preview
from stormalert.market import days
from stormalert.model import Direction, Instrument, Kind, Rule
from stormalert.process import connect_in_thread
from stormalert.redis import keys
from stormalert.store import open_store
from stormalert.units import DAY_MS, HOUR_MS, MINUTE_MS, format_price

# At noon of some day, whose midnight no run of the tests can meet.
NOON_MS = 1_764_138_600_000
NINE_MS = NOON_MS - 3 * HOUR_MS
INFY, TCS = Instrument(token=408065, symbol="NSE:INFY"), Instrument(token=2953217, symbol="NSE:TCS")
Keep = Callable[..., None]


@pytest.fixture
def keep(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keep]:
    """Keeps minutes as ingest does: closing prices in rupees from `at_ms` on, and the close of the day before."""
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([INFY, TCS])
    store.save_watchlist("u", [INFY.token, TCS.token])
    client = connect_in_thread(redis_url)
    monkeypatch.setattr(resources, "thread_redis", lambda: client)
    monkeypatch.setattr(resources, "store", lambda: store)
    monkeypatch.setattr(days, "now_ms", lambda: NOON_MS)
    st.cache_data.clear()

    def kept(*closes: int, token: int = INFY.token, at_ms: int = NINE_MS, close: int = 1000) -> None:
        for place, (before, now) in enumerate(zip((closes[0], *closes), closes, strict=False)):
            low, high = sorted((before, now))
            prices = {
                name: format_price(it * 10_000)
                for name, it in zip(("open", "high", "low", "close"), (before, high, low, now), strict=True)
            }
            client.xadd(keys.Shard("s0").bars(token), prices, id=f"{at_ms + place * MINUTE_MS}-*")  # type: ignore[arg-type]
        client.hset(keys.Shard("s0").quote(token), mapping={"close": str(close), "time": at_ms})

    yield kept
    client.close()
    store.close()


def a_rule(**fields: object) -> Rule:
    usual = {
        "id": "r",
        "user": "u",
        "token": INFY.token,
        "symbol": INFY.symbol,
        "kind": Kind.ROLLING,
        "direction": Direction.UP,
    }
    return Rule.model_validate(usual | {"percent_e2": 100, "window_ms": 2 * MINUTE_MS, "cooldown_ms": 3 * MINUTE_MS} | fields)


def told(*rules: Rule) -> str:
    placed, _ = preview._placed(rules)
    day_ms = prices.newest_day_ms([instrument for _, instrument in placed])
    assert day_ms
    return preview.sentence(preview._preview(placed, day_ms))


def test_it_says_how_often_and_when(keep: Keep) -> None:
    keep(1000, 1000, 1020, 1020, 1020, 1000, 1000, 1020, 1020, 1020)
    assert told(a_rule()) == "Would have fired 2 times today, at 09:02 and 09:07."
    assert told(a_rule(percent_e2=300)) == "Would not have fired today."
    assert told(a_rule(kind=Kind.LEVEL, percent_e2=0, price_e4=10_100_000, window_ms=0, direction=Direction.DOWN)) == (
        "Would have fired once today, at 09:05."
    )


def test_a_day_rule_is_measured_from_the_close_before_the_day(keep: Keep) -> None:
    keep(1000, 1005, 1010, close=990)
    assert told(a_rule(kind=Kind.DAY, window_ms=0, percent_e2=150, cooldown_ms=HOUR_MS)) == (
        "Would have fired once today, at 09:01."
    )


def test_of_many_the_first_and_the_last_are_told(keep: Keep) -> None:
    keep(*[1000, 1020] * 20)
    assert told(a_rule(direction=Direction.BOTH, cooldown_ms=MINUTE_MS)).startswith(
        "Would have fired 39 times today, first at 09:01, last at 09:39."
    )


def test_before_the_first_trade_of_a_day_it_is_the_last_day_that_there_is(keep: Keep) -> None:
    keep(1000, 1020, at_ms=NINE_MS - DAY_MS)
    assert told(a_rule()).startswith("Would have fired once on ")


def test_on_a_watchlist_it_names_where_most(keep: Keep) -> None:
    keep(1000, 1000, 1020)
    keep(*[1000, 1020] * 3, token=TCS.token)
    whole = a_rule(token=0, symbol="My watchlist", direction=Direction.BOTH, cooldown_ms=MINUTE_MS)
    assert told(whole) == "Would have fired 6 times today, on 2 of 2 instruments, most on NSE:TCS (5) and NSE:INFY (1)."


def test_new_minutes_are_taken_into_account_and_the_same_are_not_tried_twice(
    keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(1000, 1020)
    assert told(a_rule()) == "Would have fired once today, at 09:01."
    with monkeypatch.context() as patched:
        patched.setattr(preview, "Replay", None)
        assert told(a_rule(id="another")) == "Would have fired once today, at 09:01."
    keep(1000, 1020, at_ms=NINE_MS + 10 * MINUTE_MS)
    assert told(a_rule()) == "Would have fired 2 times today, at 09:01 and 09:11."


def _drawn() -> None:
    import streamlit as st

    from dashboard.rules import preview
    from stormalert.model import Rule

    preview.show([Rule.model_validate_json(st.session_state["rule"])])


def test_without_minutes_or_redis_it_says_so(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AppTest.from_function(_drawn)
    app.session_state["rule"] = a_rule().model_dump_json()
    (caption,) = app.run(timeout=120).caption
    assert caption.value.startswith("There are no prices of it yet")
    away = redis.Redis(port=1)
    monkeypatch.setattr(resources, "thread_redis", lambda: away)
    (caption,) = app.run(timeout=120).caption
    assert caption.value == "How often it would have fired cannot be said now: Redis does not answer."
