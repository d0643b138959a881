"""The whole way as one number: from a print at the stand-in exchange to the message in its Telegram.

Sandbox, ingest, evaluator, dispatcher and workers are processes of their own, as `make run` starts them. The market stands
still but goes on ticking; each print is of an instrument of its own and jumps far enough to fire the one rule on it. A print's
time is taken before we ask the sandbox for it, so that what the asking takes counts as well. All clocks are this machine's.
"""

import csv
import http.client
import json
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from bench.fixtures import NO_LIMITS, Setup, set_up, wait_until
from bench.sandbox import KEY, SECRET, log_in
from bench.sizes import Sizes
from stormalert.model import ChannelKind, Delivery, Direction, Kind, Rule
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from stormalert.units import MINUTE_MS, now_ms

SHARD = Shard("s0")
WARM_UP = 50
PERCENT_E2 = 300
# The last of the list trade too seldom for a window of a minute: now and then it would be empty, and nothing to jump from.
WINDOW_MS = 5 * MINUTE_MS
# Above the rule's percent, below what ingest takes for a misprint.
JUMP = 1.035
# Every instrument has to trade once before it can jump, and the last of a list trades seldom.
READY_WITHIN_S = 180
SETTLE_S = 60
# For messages that should not come.
LINGER_S = 2
SYMBOL = re.compile(r"NSE:[^\s<]+")

Row = dict[str, Any]


class ListedToken(NamedTuple):
    token: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Way:
    """When one print was where; ms of the epoch. Redis and RQ note what lies between the ends."""

    printed: float
    appended: float
    fired: float
    queued: float
    started: float
    arrived: float


# From and to where, by the names of the moments above.
HOPS = {
    "print -> tick in its stream": ("printed", "appended"),
    "tick -> alert in its stream": ("appended", "fired"),
    "alert -> job in the queue": ("fired", "queued"),
    "job -> taken by a worker": ("queued", "started"),
    "taken -> message at Telegram": ("started", "arrived"),
    "the whole way": ("printed", "arrived"),
}


def run(sizes: Sizes) -> dict[str, list[Row]]:
    prints = sizes.delivery_alerts_a_second * sizes.phone_s
    count = WARM_UP + prints * sizes.phone_runs
    # More than are printed: the indices are listed among them.
    market = (f"--instruments={count}", f"--tick-rate={sizes.phone_market}", "--liveliness=0")
    with set_up(1, NO_LIMITS, (ChannelKind.TELEGRAM,), market) as setup:
        instruments = _start_all(setup, count, sizes.delivery_workers)
        _ready(setup, instruments)
        # Connections are made and code is loaded by the first messages.
        _run(setup, instruments[:WARM_UP], sizes)
        runs = [instruments[first : first + prints] for first in range(WARM_UP, count, prints)]
        rows, ways = [], []
        for part in runs:
            row, found = _run(setup, part, sizes)
            rows.append(row)
            ways += found
        return {
            f"phone: print at the exchange to message at Telegram, {sizes.phone_market:,} packets a second beside": rows,
            "phone: where the time goes, all runs": [_hop(name, ways) for name in HOPS],
        }


def log_in_and_follow(setup: Setup) -> str:
    """Gives the access token with which ingest, started from now on, follows the setup's exchange."""
    access = log_in(setup.sandbox_url)
    setup.environment |= {
        "STORM_MASTER_SECRET": "m" * 32,
        "STORM_MARKET_HOURS": "always",
        "STORM_KITE_API_ROOT": setup.sandbox_url,
        "STORM_KITE_WS_ROOT": setup.sandbox_ws_url,
        "KITE_API_KEY": KEY,
        "KITE_API_SECRET": SECRET,
        "KITE_ACCESS_TOKEN": access,
    }
    return access


def _start_all(setup: Setup, count: int, workers: int) -> list[ListedToken]:
    """Gives the instruments that have a rule."""
    access = log_in_and_follow(setup)
    instruments = listed(setup, access)[:count]
    (user,) = setup.users
    setup.store.save_watchlist(user, [it.token for it in instruments])
    for it in instruments:
        setup.store.save_rule(_rule(user, it))
    crew = [
        ("ingest", setup.run("ingest")),
        ("evaluator", setup.run("evaluator")),
        ("dispatch", setup.start("dispatch")),
    ]
    crew += [("work", setup.start("work")) for _ in range(workers)]
    for command, process in crew:
        setup.wait_for_heartbeat(command, process)
    return instruments


def listed(setup: Setup, access: str) -> list[ListedToken]:
    """The stocks of the day's list."""
    request = urllib.request.Request(f"{setup.sandbox_url}/instruments", headers={"Authorization": f"token {KEY}:{access}"})
    with urllib.request.urlopen(request) as answer:
        rows = csv.DictReader(answer.read().decode().splitlines())
    return [
        ListedToken(int(row["instrument_token"]), f"{row['exchange']}:{row['tradingsymbol']}")
        for row in rows
        if row["segment"] != "INDICES"
    ]


def _rule(user: str, on: ListedToken) -> Rule:
    return Rule(
        id=f"rule{on.token}",
        user=user,
        token=on.token,
        symbol=on.symbol,
        kind=Kind.ROLLING,
        direction=Direction.UP,
        percent_e2=PERCENT_E2,
        window_ms=WINDOW_MS,
        cooldown_ms=WINDOW_MS,
    )


def _ready(setup: Setup, instruments: Sequence[ListedToken]) -> None:
    """All are subscribed, have a price, and a rule that looks up from it."""

    def all_are() -> bool:
        subscribed = int(setup.redis.hget(keys.FEED, "instruments") or 0)
        return subscribed == len(instruments) and all(above for _, above in _prices(setup, instruments))

    wait_until(all_are, READY_WITHIN_S, "a price and an armed rule of each instrument")


def _prices(setup: Setup, instruments: Iterable[ListedToken]) -> list[tuple[str, str]]:
    """Last price, and the first one above it that fires; empty where there is none."""
    with setup.redis.pipeline(transaction=False) as pipe:
        for it in instruments:
            pipe.hmget(SHARD.instrument(it.token), "price", "above")
        return [(price or "", (price and above) or "") for price, above in pipe.execute()]


def _run(setup: Setup, instruments: Sequence[ListedToken], sizes: Sizes) -> tuple[Row, list[Way]]:
    a_second = sizes.delivery_alerts_a_second
    jumps = [round(float(price) * JUMP, 2) for price, _ in _prices(setup, instruments)]
    printed_ms = _print(setup, instruments, jumps, a_second)
    arrived_ms, extra = _collect(setup, printed_ms)
    waits_ms = sorted(arrived_ms[symbol] - printed_ms[symbol] for symbol in arrived_ms)
    took_ms = max(printed_ms.values()) - min(printed_ms.values())
    fired = _fired(setup, instruments, min(printed_ms.values()))
    row = {
        "workers": sizes.delivery_workers,
        "prints": len(printed_ms),
        "alerts": len(fired),
        "prints a second": round(1_000 * (len(printed_ms) - 1) / took_ms, 1),
        "p50 ms": percentile(waits_ms, 50),
        "p99 ms": percentile(waits_ms, 99),
        "longest ms": waits_ms[-1],
        "missing": len(printed_ms) - len(arrived_ms),
        "doubles": extra["double"],
        "others": extra["other"],
    }
    return row, _ways(setup, fired, printed_ms, arrived_ms)


def _print(setup: Setup, instruments: Sequence[ListedToken], prices: Sequence[float], a_second: int) -> dict[str, int]:
    """When each print was asked for, by its symbol."""
    # One connection for all: what is measured is not how fast we connect.
    connection = http.client.HTTPConnection(urlsplit(setup.sandbox_url).netloc, timeout=30)
    printed_ms = {}
    started_s = time.monotonic()
    for number, (it, price) in enumerate(zip(instruments, prices, strict=True)):
        body = json.dumps({"symbol": it.symbol, "price": price})
        time.sleep(max(0.0, started_s + number / a_second - time.monotonic()))
        printed_ms[it.symbol] = now_ms()
        connection.request("POST", "/control/print", body)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the sandbox did not print {it.symbol}: {text.decode()}")
    connection.close()
    return printed_ms


def _collect(setup: Setup, printed_ms: Mapping[str, int]) -> tuple[dict[str, int], Counter[str]]:
    """When the first message of each print arrived, by its symbol; and how many came twice, or of no print."""
    arrived_ms: dict[str, int] = {}
    extra: Counter[str] = Counter()
    deadline_s = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline_s:
        for message in setup.new_messages():
            found = SYMBOL.search(message["text"])
            symbol = found[0] if found else ""
            if symbol not in printed_ms:
                extra["other"] += 1
            elif symbol in arrived_ms:
                extra["double"] += 1
            else:
                arrived_ms[symbol] = message["time_ms"]
                if len(arrived_ms) == len(printed_ms):
                    deadline_s = time.monotonic() + LINGER_S
        time.sleep(0.2)
    if not arrived_ms:
        raise RuntimeError(f"none of {len(printed_ms)} messages arrived:\n{setup.log.read_text()[-2000:]}")
    return arrived_ms, extra


def _fired(setup: Setup, instruments: Sequence[ListedToken], since_ms: int) -> list[tuple[str, dict[str, str]]]:
    """Alerts on these instruments, with the ids of their entries."""
    symbols = {it.symbol for it in instruments}
    return [(entry_id, alert) for entry_id, alert in _entries(setup, SHARD.alerts, since_ms) if alert["symbol"] in symbols]


def _ways(
    setup: Setup,
    fired: Sequence[tuple[str, dict[str, str]]],
    printed_ms: Mapping[str, int],
    arrived_ms: Mapping[str, int],
) -> list[Way]:
    """Of those that arrived and whose tick is still in its stream."""
    appended_ms: dict[tuple[str, str], int] = {}
    for entry_id, tick in _entries(setup, SHARD.ticks, min(printed_ms.values())):
        appended_ms.setdefault((tick["token"], tick["price"]), _written_ms(entry_id))
    (channel,) = setup.store.channels_of(setup.users[0])
    with setup.redis.pipeline(transaction=False) as pipe:
        for _, alert in fired:
            pipe.hmget(f"rq:job:{Delivery.id_of(alert['alert'], channel.id)}", "enqueued_at", "started_at")
        jobs = pipe.execute()
    ways = []
    for (entry_id, alert), (queued, started) in zip(fired, jobs, strict=True):
        symbol, place = alert["symbol"], (alert["token"], alert["price"])
        if symbol in arrived_ms and place in appended_ms and queued and started:
            ends = printed_ms[symbol], arrived_ms[symbol]
            ways.append(Way(ends[0], appended_ms[place], _written_ms(entry_id), _ms(queued), _ms(started), ends[1]))
    return ways


def _entries(setup: Setup, stream: str, since_ms: int) -> list[tuple[str, dict[str, str]]]:
    entries: Any = setup.redis.xrange(stream, since_ms)
    return list(entries)


def _hop(name: str, ways: Sequence[Way]) -> Row:
    start, end = HOPS[name]
    took_ms = sorted(round(getattr(way, end) - getattr(way, start), 1) for way in ways)
    return {
        "hop": name,
        "prints": len(took_ms),
        "p50 ms": percentile(took_ms, 50),
        "p99 ms": percentile(took_ms, 99),
        "longest ms": took_ms[-1],
    }


def percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[len(ordered) * percent // 100]


def _written_ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])


def _ms(rq_time: str) -> float:
    return datetime.fromisoformat(rq_time).timestamp() * 1_000
