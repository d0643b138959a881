"""`python -m ingest` against the sandbox's exchange, over real sockets: a day, and what an admin changes meanwhile."""

import json
import signal
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.instruments import listed
from stormalert.redis.keys import Shard
from stormalert.units import IST, now_ms
from tests.ingest.desk import FEED, GAPS, INFY, NIFTY, TICKS, Desk, missing_holidays, until
from tests.store.records import a_rule


@pytest.fixture
def open_desk(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., Desk]]:
    desks: list[Desk] = []

    def opened(*sandbox_flags: str, **settings: str) -> Desk:
        desks.append(Desk(tmp_path, redis_url, sandbox_flags, settings))
        return desks[-1]

    yield opened
    for desk in desks:
        desk.close()


def test_a_day_of_the_feed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("--instruments=20", "--tick-rate=100")
    desk.store.save_watchlist("u", [INFY, NIFTY])
    # By name, as Kite's own: names are looked up in threads, which must not outlive the process.
    by_name = f"ws://localhost:{desk.ws_port}"
    desk.start_ingest(STORM_KITE_WS_ROOT=by_name)
    desk.until_state("login_needed")
    assert desk.fact("reason") == "nobody has logged in to Kite yet"
    desk.log_in()
    desk.until_ticks_flow()
    desk.until_state("streaming")
    assert desk.ingest
    pid = desk.ingest.pid

    _, first = desk.redis.xrange(TICKS, count=1)[0]
    assert list(first)[:3] == ["token", "price", "time"]
    assert int(first["token"]) in (INFY, NIFTY)
    assert int(first["time"]) >= desk.started_ms - 3_000
    until(lambda: desk.redis.exists(Shard("s0").quote(INFY)), "the quote")
    quote = desk.redis.hgetall(Shard("s0").quote(INFY))
    assert float(quote["low"]) <= float(quote["last"]) <= float(quote["high"])
    until(lambda: desk.store.instrument_by_symbol("NSE:INFY"), "the instruments in the store")

    # A watchlist that changes is followed on the same connection.
    added = next(row for row in desk.store.search_instruments("NSE:", 30) if row.token not in (INFY, NIFTY))
    desk.store.save_watchlist("u", [INFY, NIFTY, added.token])
    until(lambda: desk.redis.exists(Shard("s0").quote(added.token)), "the added instrument's quote")
    assert desk.control("handshakes") == 1

    # The token dies, as at 06:00 every day; the open socket streams on, and the next login is adopted by the running process.
    desk.pull("kill-tokens")
    desk.until_state("login_needed")
    desk.until_ticks_flow()
    assert desk.state() == "login_needed"
    desk.log_in()
    desk.until_state("streaming")
    desk.until_ticks_flow()
    assert (desk.ingest.pid, desk.ingest.poll()) == (pid, None)
    assert desk.log.read_text().count("feed login needed reason=Kite refused") == 1

    # Killed and started again, it goes on with the token it kept, and says what it missed.
    desk.kill_ingest()
    desk.redis.delete(GAPS)
    desk.redis.hset(FEED, "refused_of_another_time", 7)
    desk.start_ingest(STORM_KITE_WS_ROOT=by_name)
    desk.until_ticks_flow()
    until(lambda: desk.gaps(), "the gap while it was not running")
    (gap,) = desk.gaps()
    assert gap["reason"] == "ingest was not running"
    assert 0 < int(gap["from"]) < desk.started_ms < int(gap["to"])
    assert desk.fact("refused_of_another_time") == ""

    desk.ingest.send_signal(signal.SIGTERM)
    assert desk.ingest.wait(20) == 0


def test_nine_thousand_instruments_are_spread_over_three_sockets_and_more_are_left_out(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("--instruments=9000", "--segments=nse,bse,nfo,cds,bcd", "--tick-rate=3000")
    tokens = [it.token for it in listed(9000, segments=("nse", "bse", "nfo", "cds", "bcd"))]
    assert len(tokens) == 9_003
    desk.store.save_watchlist("u", tokens)
    desk.store.save_setting("calendar", json.dumps({"holidays": missing_holidays()}))
    desk.start_ingest()
    desk.log_in()

    def subscribed() -> list[int]:
        clients: Any = desk.control("clients")
        return sorted(client["subscribed"] for client in clients)

    until(lambda: subscribed() == [3_000, 3_000, 3_000], "9,000 subscriptions")
    until(lambda: (desk.count("instruments"), desk.count("left_out"), desk.count("sockets")) == (9_000, 3, 3), "the count")
    assert "3 instruments are left out: Kite takes 9000" in desk.fact("trouble")
    until(lambda: desk.redis.dbsize() > 6_000, "quotes of most of them")

    # Fewer, without a reconnect; two sockets are not needed any more.
    desk.store.save_watchlist("u", tokens[:100])
    until(lambda: subscribed() == [100], "one socket with 100")
    until(lambda: desk.count("left_out") == 0 and desk.fact("trouble") == "", "nothing left out")
    desk.until_ticks_flow()
    # And more again, with one more socket.
    desk.store.save_watchlist("u", tokens[:3_500])
    until(lambda: subscribed() == [500, 3_000], "two sockets")
    assert desk.control("handshakes") == 4
    desk.until_ticks_flow()


def test_what_an_admin_changes_is_followed_without_a_restart(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk("--instruments=20", "--tick-rate=400", STORM_MARKET_HOURS="exchange")
    desk.store.save_watchlist("u", [INFY, NIFTY])
    desk.store.save_setting("calendar", _session_today("00:00", "23:59"))
    desk.start_ingest()
    desk.log_in()
    desk.until_ticks_flow()

    # Hours: today's session becomes one that was over long ago.
    desk.store.save_setting("calendar", _session_today("00:00", "00:01"))
    closed = desk.count("refused_closed")
    until(lambda: desk.count("refused_closed") > closed + 20, "packets outside the session")
    before = desk.last_tick()
    until(lambda: desk.count("refused_closed") > closed + 60, "more packets outside the session")
    assert desk.ticks_after(before) == []
    until(lambda: desk.count("opens_ms") > now_ms(), "the next opening")
    desk.store.save_setting("calendar", '{"holidays": ["tomorrow"]}')
    until(lambda: "holidays.0.day: expected a day such as 2027-01-26, was 'tomorrow'" in desk.fact("trouble"), "the refusal")
    assert "calendar" in json.loads(desk.fact("troubles"))
    desk.store.save_setting("calendar", _session_today("00:00", "23:59"))
    desk.until_ticks_flow()
    until(lambda: desk.fact("trouble") == "", "the end of the trouble")

    # Instruments: a symbol that changed is carried to rule and engine; one that is no longer listed is told.
    until(lambda: desk.store.instrument(INFY), "the instruments in the store")
    rule = desk.store.save_rule(a_rule(symbol="NSE:INFY"))
    desk.redis.hset(Shard("s0").instrument(INFY), "symbol", "NSE:INFY")
    desk.pull("listing", symbol="INFY", rename="INFOSYS")
    desk.pull("listing", symbol="NIFTY", listed=False)
    desk.exchange.post("/control/faults", json={"rest": {"blank_columns": True}})
    desk.store.save_setting("instruments.refresh_ms", "1")
    until(lambda: desk.store.rule(rule.id) == rule.model_copy(update={"symbol": "NSE:INFOSYS"}), "the rule's new symbol")
    until(lambda: desk.redis.hget(Shard("s0").instrument(INFY), "symbol") == "NSE:INFOSYS", "the engine's new symbol")
    until(lambda: "no longer listed by Kite: NSE:NIFTY 50" in desk.fact("trouble"), "the missing instrument")
    assert desk.store.instrument_by_symbol("NSE:INFOSYS")

    # A store that cannot be read is no reason to log in.
    with sqlite3.connect(desk.store_path) as direct:
        direct.execute("ALTER TABLE settings RENAME TO hidden")
        until(lambda: "cannot be used: no such table: settings" in desk.fact("trouble"), "the store's trouble")
        desk.until_ticks_flow()
        assert desk.state() == "streaming"
        direct.execute("ALTER TABLE hidden RENAME TO settings")
    direct.close()
    until(lambda: "no such table" not in desk.fact("trouble"), "the store's return")


def _session_today(opens: str, closes: str) -> str:
    days = [datetime.now(IST).date() + timedelta(days=after) for after in (0, 1)]
    sessions = [{"day": f"{day}", "opens": opens, "closes": closes} for day in days]
    return json.dumps({"special": sessions, "holidays": missing_holidays()})
