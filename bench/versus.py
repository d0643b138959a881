"""The engine and its peers on the same ticks and rules, in turns; every peer must give the same alerts.

First a stretch in which a few instruments jump, so that many rules fire: the check. Then a typical market, in equal stretches:
the time. A slow peer gets fewer ticks of it; its alerts are held against ours up to the last of them.
"""

import gc
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from bench import bytewax_env
from bench.market import INSTRUMENTS, BenchMarket, rules
from bench.peers.consumer import Consumer
from bench.peers.memory import Memory
from bench.peers.naive import Naive
from bench.peers.records import PeerAlert
from bench.peers.records import PeerRule as PlainRule
from bench.peers.records import PeerTick as PlainTick
from bench.peers.script_per_rule import ScriptPerRule
from bench.server import SHARD, MeasuredServer, running
from bench.sizes import Sizes
from stormalert.model import Repeat, Rule, Tick
from stormalert.units import parse_price_e4

CHECK_INSTRUMENTS = 10
CHECK_STEP = 0.03

Row = dict[str, Any]


@dataclass
class Contender:
    name: str
    ticks: int
    # Takes some ticks and returns the seconds that it took.
    take: Callable[[Sequence[Tick]], Awaitable[float]]
    alerts: Callable[[], Awaitable[list[PeerAlert]]]
    rates: list[float] = field(default_factory=list)
    # How many of our alerts its own were held against.
    checked: int = 0


async def measure(sizes: Sizes) -> dict[str, list[Row]]:
    rows: list[Row] = []
    for rules_an_instrument in sizes.peer_rules_an_instrument:
        rows += await _compare(rules_an_instrument, sizes)
    return {"peers: the same ticks and rules, the same alerts": rows}


async def _compare(rules_an_instrument: int, sizes: Sizes) -> list[Row]:
    count = rules_an_instrument * INSTRUMENTS
    plain_rules = [plain(rule) for rule in rules(count)]
    market = BenchMarket()
    check = market.ticks(sizes.peer_check_ticks, CHECK_STEP, CHECK_INSTRUMENTS)
    typical = market.ticks(sizes.peer_ticks)
    async with AsyncExitStack() as stack:
        engine, scripts, streams = [await stack.enter_async_context(running()) for _ in range(3)]
        await engine.arm(rules(count))
        fewer = min(sizes.peer_ticks, sizes.naive_pairs // rules_an_instrument)
        contenders = [
            _engine(engine, sizes.peer_ticks),
            _stream_peer("naive", streams, Naive(plain_rules), fewer),
            _stream_peer("memory", streams, Memory(plain_rules), sizes.peer_ticks),
            _list_peer("memory, no stream", Memory(plain_rules), sizes.peer_ticks),
            await _script_peer(scripts, plain_rules, min(sizes.peer_ticks, sizes.script_pairs // rules_an_instrument)),
        ]
        # A million dicts of rules are not garbage: without this, looking for some would take most of the peers' time.
        gc.collect()
        gc.freeze()
        for contender in contenders:
            await contender.take(check)
        for place in range(sizes.stretches):
            for contender in contenders:
                ticks = _part(typical[: contender.ticks], place, sizes.stretches)
                contender.rates.append(len(ticks) / await contender.take(ticks))
        ours = await contenders[0].alerts()
        for contender in contenders[1:]:
            found, until_ms = await contender.alerts(), typical[contender.ticks - 1].time_ms
            contender.checked = must_agree(contender.name, found, ours, until_ms)
    gc.unfreeze()
    rows = [_row(rules_an_instrument, contender, contenders[0]) for contender in contenders]
    rows.append(_bytewax_row(rules_an_instrument, plain_rules, check, typical, sizes, ours, contenders[0]))
    return rows


def plain(rule: Rule) -> PlainRule:
    """As the peers take it."""
    return PlainRule(
        id=rule.id,
        token=rule.token,
        direction=rule.direction.value,
        percent_e2=rule.percent_e2,
        window_ms=rule.window_ms,
        is_once=rule.repeat is Repeat.ONCE,
        cooldown_ms=rule.cooldown_ms,
        armed_at_ms=rule.armed_at_ms,
    )


def plain_tick(tick: Tick) -> PlainTick:
    return PlainTick(tick.token, tick.price_e4, tick.time_ms)


async def plain_alerts(server: MeasuredServer, stream: str) -> list[PeerAlert]:
    """The alerts that a peer appended to a stream."""
    return [
        PeerAlert(int(entry["time_ms"]), entry["rule"], entry["direction"], int(entry["price_e4"]), int(entry["reference_e4"]))
        for _, entry in await server.redis.xrange(stream)
    ]


def must_agree(name: str, found: list[PeerAlert], ours: list[PeerAlert], until_ms: int) -> int:
    """Tick by tick; what one tick fires, the engine fires burst by burst and so in an order of its own."""
    expected = list(itertools.filterfalse(lambda alert: alert.time_ms > until_ms, ours))
    if not expected:
        raise RuntimeError(f"the check of {name} says nothing: no rule fired")
    is_in_order = all(former.time_ms <= later.time_ms for former, later in itertools.pairwise(found))
    if not is_in_order or sorted(found) != sorted(expected):
        raise RuntimeError(f"{name} gave {len(found)} alerts that are not our {len(expected)}")
    return len(expected)


def _engine(server: MeasuredServer, ticks: int) -> Contender:
    async def take(some: Sequence[Tick]) -> float:
        server.append(some)
        return (await server.evaluate()).elapsed_s

    async def alerts() -> list[PeerAlert]:
        return [
            PeerAlert(
                int(entry["time"]),
                entry["rule"],
                entry["direction"],
                parse_price_e4(entry["price"]),
                parse_price_e4(entry["reference"]),
            )
            for _, entry in await server.redis.xrange(SHARD.alerts)
        ]

    return Contender("StormAlert", ticks, take, alerts)


def _stream_peer(name: str, server: MeasuredServer, decider: Naive | Memory, ticks: int) -> Contender:
    stream = f"alerts:{name}"
    consumer = Consumer(server.redis, f"ticks:{name}", stream, decider)
    return _drained(name, server, consumer, stream, ticks)


async def _script_peer(server: MeasuredServer, plain_rules: list[PlainRule], ticks: int) -> Contender:
    peer = ScriptPerRule(server.redis, "ticks:script", "alerts:script")
    await peer.arm(plain_rules)
    return _drained("script per rule", server, peer, "alerts:script", ticks)


def _drained(name: str, server: MeasuredServer, peer: Consumer | ScriptPerRule, stream: str, ticks: int) -> Contender:
    async def take(some: Sequence[Tick]) -> float:
        server.append(some, peer.ticks)
        started_s = time.perf_counter()
        await peer.drain()
        return time.perf_counter() - started_s

    return Contender(name, ticks, take, lambda: plain_alerts(server, stream))


def _list_peer(name: str, decider: Memory, ticks: int) -> Contender:
    found: list[PeerAlert] = []

    async def take(some: Sequence[Tick]) -> float:
        plain_ticks = [plain_tick(tick) for tick in some]
        started_s = time.perf_counter()
        for tick in plain_ticks:
            found.extend(decider.take(tick))
        return time.perf_counter() - started_s

    async def alerts() -> list[PeerAlert]:
        return found

    return Contender(name, ticks, take, alerts)


def _bytewax_row(
    rules_an_instrument: int,
    plain_rules: list[PlainRule],
    check: list[Tick],
    typical: list[Tick],
    sizes: Sizes,
    ours: list[PeerAlert],
    engine: Contender,
) -> Row:
    python, why_not = bytewax_env.python(sizes.installs)
    if not python:
        return {"rules an instrument": rules_an_instrument, "peer": f"bytewax, not measured: {why_not}"}
    stretches = [check, *(_part(typical, place, sizes.stretches) for place in range(sizes.stretches))]
    seconds, found = bytewax_env.run(python, plain_rules, [[plain_tick(tick) for tick in part] for part in stretches])
    # It keeps the order of an instrument, not of a batch.
    checked = must_agree("bytewax", sorted(found), ours, typical[-1].time_ms)
    rates = [len(part) / taken_s for part, taken_s in zip(stretches[1:], seconds[1:], strict=True)]
    return _row(rules_an_instrument, Contender("bytewax", len(typical), engine.take, engine.alerts, rates, checked), engine)


def _row(rules_an_instrument: int, contender: Contender, engine: Contender) -> Row:
    # Stretch by stretch: a busy neighbour slows both.
    ratio = statistics.median(ours / theirs for ours, theirs in zip(engine.rates, contender.rates, strict=True))
    return {
        "rules an instrument": rules_an_instrument,
        "peer": contender.name,
        "ticks": contender.ticks,
        "ticks a second": round(statistics.median(contender.rates)),
        "ours : peer": round(ratio, 2),
        "alerts checked": contender.checked,
    }


def _part(ticks: Sequence[Tick], place: int, parts: int) -> Sequence[Tick]:
    size = len(ticks) // parts
    return ticks[place * size : (place + 1) * size]
