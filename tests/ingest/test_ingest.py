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
from tests.ingest.fixtures import FEED, GAPS, INFY, NIFTY, TICKS, IngestRun, missing_holidays, until
from tests.store.records import a_rule


@pytest.fixture
def start_run(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., IngestRun]]:
    desks: list[IngestRun] = []

    def opened(*sandbox_flags: str, **settings: str) -> IngestRun:
        desks.append(IngestRun(tmp_path, redis_url, sandbox_flags, settings))
        return desks[-1]

    yield opened
    for run in desks:
        run.close()


def test_a_day_of_the_feed(start_run: Callable[..., IngestRun]) -> None:
    run = start_run("--instruments=20", "--tick-rate=100")
    run.store.save_watchlist("u", [INFY, NIFTY])
    # By name, as Kite's own: names are looked up in threads, which must not outlive the process.
    by_name = f"ws://localhost:{run.ws_port}"
    run.start_ingest(STORM_KITE_WS_ROOT=by_name)
    run.until_state("login_needed")
    assert run.fact("reason") == "nobody has logged in to Kite yet"
    run.log_in()
    run.until_ticks_flow()
    run.until_state("streaming")
    assert run.ingest
    pid = run.ingest.pid

    _, first = run.redis.xrange(TICKS, count=1)[0]
    assert list(first)[:3] == ["token", "price", "time"]
    assert int(first["token"]) in (INFY, NIFTY)
    assert int(first["time"]) >= run.started_ms - 3_000
    until(lambda: run.redis.exists(Shard("s0").quote(INFY)), "the quote")
    quote = run.redis.hgetall(Shard("s0").quote(INFY))
    assert float(quote["low"]) <= float(quote["last"]) <= float(quote["high"])
    until(lambda: run.store.instrument_by_symbol("NSE:INFY"), "the instruments in the store")

    # A watchlist that changes is followed on the same connection.
    added = next(row for row in run.store.search_instruments("NSE:", 30) if row.token not in (INFY, NIFTY))
    run.store.save_watchlist("u", [INFY, NIFTY, added.token])
    until(lambda: run.redis.exists(Shard("s0").quote(added.token)), "the added instrument's quote")
    assert run.control("handshakes") == 1

    # The token dies, as at 06:00 every day; the open socket streams on, and the next login is adopted by the running process.
    run.pull("kill-tokens")
    run.until_state("login_needed")
    run.until_ticks_flow()
    assert run.state() == "login_needed"
    run.log_in()
    run.until_state("streaming")
    run.until_ticks_flow()
    assert (run.ingest.pid, run.ingest.poll()) == (pid, None)
    assert run.log.read_text().count("feed login needed reason=Kite refused") == 1

    # Killed and started again, it goes on with the token it kept, and says what it missed.
    run.kill_ingest()
    run.redis.delete(GAPS)
    run.redis.hset(FEED, "refused_of_another_time", 7)
    run.start_ingest(STORM_KITE_WS_ROOT=by_name)
    run.until_ticks_flow()
    until(lambda: run.gaps(), "the gap while it was not running")
    (gap,) = run.gaps()
    assert gap["reason"] == "ingest was not running"
    assert 0 < int(gap["from"]) < run.started_ms < int(gap["to"])
    assert run.fact("refused_of_another_time") == ""

    run.ingest.send_signal(signal.SIGTERM)
    assert run.ingest.wait(20) == 0


def test_nine_thousand_instruments_are_spread_over_three_sockets_and_more_are_left_out(
    start_run: Callable[..., IngestRun],
) -> None:
    run = start_run("--instruments=9000", "--segments=nse,bse,nfo,cds,bcd", "--tick-rate=3000")
    tokens = [it.token for it in listed(9000, segments=("nse", "bse", "nfo", "cds", "bcd"))]
    assert len(tokens) == 9_003
    run.store.save_watchlist("u", tokens)
    run.store.save_setting("calendar", json.dumps({"holidays": missing_holidays()}))
    run.start_ingest()
    run.log_in()

    def subscribed() -> list[int]:
        clients: Any = run.control("clients")
        return sorted(client["subscribed"] for client in clients)

    until(lambda: subscribed() == [3_000, 3_000, 3_000], "9,000 subscriptions")
    until(
        lambda: (run.count("instruments"), run.count("left_out"), run.count("sockets")) == (9_000, 3, 3),
        "the count",
    )
    assert "3 instruments are left out: Kite takes 9,000" in run.fact("trouble")
    until(lambda: run.redis.dbsize() > 6_000, "quotes of most of them")

    # Fewer, without a reconnect; two sockets are not needed any more.
    run.store.save_watchlist("u", tokens[:100])
    until(lambda: subscribed() == [100], "one socket with 100")
    until(lambda: run.count("left_out") == 0 and run.fact("trouble") == "", "nothing left out")
    run.until_ticks_flow()
    # And more again, with one more socket.
    run.store.save_watchlist("u", tokens[:3_500])
    until(lambda: subscribed() == [500, 3_000], "two sockets")
    assert run.control("handshakes") == 4
    run.until_ticks_flow()


def test_what_an_admin_changes_is_followed_without_a_restart(start_run: Callable[..., IngestRun]) -> None:
    run = start_run("--instruments=20", "--tick-rate=400", STORM_MARKET_HOURS="exchange")
    run.store.save_watchlist("u", [INFY, NIFTY])
    run.store.save_setting("calendar", _session_today("00:00", "23:59"))
    run.start_ingest()
    run.log_in()
    run.until_ticks_flow()

    # Hours: today's session becomes one that was over long ago.
    run.store.save_setting("calendar", _session_today("00:00", "00:01"))
    closed = run.count("refused_closed")
    until(lambda: run.count("refused_closed") > closed + 20, "packets outside the session")
    before = run.last_tick()
    until(lambda: run.count("refused_closed") > closed + 60, "more packets outside the session")
    assert run.ticks_after(before) == []
    until(lambda: run.count("opens_ms") > now_ms(), "the next opening")
    run.store.save_setting("calendar", '{"holidays": ["tomorrow"]}')
    until(lambda: "holidays.0.day: expected a day such as 2027-01-26, was 'tomorrow'" in run.fact("trouble"), "the refusal")
    assert "calendar" in json.loads(run.fact("troubles"))
    run.store.save_setting("calendar", _session_today("00:00", "23:59"))
    run.until_ticks_flow()
    until(lambda: run.fact("trouble") == "", "the end of the trouble")

    # Instruments: a symbol that changed is carried to rule and engine; one that is no longer listed is told.
    until(lambda: run.store.instrument(INFY), "the instruments in the store")
    rule = run.store.save_rule(a_rule(symbol="NSE:INFY"))
    run.redis.hset(Shard("s0").instrument(INFY), "symbol", "NSE:INFY")
    run.pull("listing", symbol="INFY", rename="INFOSYS")
    run.pull("listing", symbol="NIFTY", listed=False)
    run.exchange.post("/control/faults", json={"rest": {"blank_columns": True}})
    run.store.save_setting("instruments.refresh_ms", "1")
    until(lambda: run.store.rule(rule.id) == rule.model_copy(update={"symbol": "NSE:INFOSYS"}), "the rule's new symbol")
    until(lambda: run.redis.hget(Shard("s0").instrument(INFY), "symbol") == "NSE:INFOSYS", "the engine's new symbol")
    until(lambda: "no longer listed by Kite: NSE:NIFTY 50" in run.fact("trouble"), "the missing instrument")
    assert run.store.instrument_by_symbol("NSE:INFOSYS")

    # A store that cannot be read is no reason to log in.
    with sqlite3.connect(run.store_path) as direct:
        direct.execute("ALTER TABLE settings RENAME TO hidden")
        until(lambda: "cannot be used: no such table: settings" in run.fact("trouble"), "the store's trouble")
        run.until_ticks_flow()
        assert run.state() == "streaming"
        direct.execute("ALTER TABLE hidden RENAME TO settings")
    direct.close()
    until(lambda: "no such table" not in run.fact("trouble"), "the store's return")


def _session_today(opens: str, closes: str) -> str:
    days = [datetime.now(IST).date() + timedelta(days=after) for after in (0, 1)]
    sessions = [{"day": f"{day}", "opens": opens, "closes": closes} for day in days]
    return json.dumps({"special": sessions, "holidays": missing_holidays()})
