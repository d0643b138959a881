"""Every peer of the benchmarks fires exactly what the definition calls for; else its speed would say nothing."""

import importlib.util
import random

import pytest

from bench.peers.consumer import Consumer, Decider
from bench.peers.memory import Memory
from bench.peers.naive import Naive
from bench.peers.records import PeerAlert
from bench.peers.records import PeerRule as PlainRule
from bench.peers.records import PeerTick as PlainTick
from bench.peers.script_per_rule import ScriptPerRule
from bench.versus import must_agree, plain
from stormalert import process
from stormalert.model import Direction, Kind, Repeat, Rule, Tick
from stormalert.units import format_price
from tests.evaluator.oracle import expected_alerts


def small_market() -> tuple[list[Rule], list[Tick], list[PeerAlert]]:
    """Rules of all sorts, ticks with equal and late times, and the alerts that the oracle calls for."""
    dice = random.Random(3)
    rules = []
    for place in range(80):
        kind = dice.choice([Kind.ROLLING, Kind.ROLLING, Kind.TRAILING])
        rules.append(
            Rule(
                id=f"r{place}",
                user="u",
                token=dice.randint(1, 2),
                symbol="NSE:X",
                kind=kind,
                direction=dice.choice(list(Direction)),
                percent_e2=dice.randint(10, 400),
                window_ms=dice.choice([10_000, 60_000, 300_000]) if kind is Kind.ROLLING else 0,
                repeat=dice.choice([Repeat.EVERY, Repeat.EVERY, Repeat.ONCE]),
                cooldown_ms=dice.choice([None, 0, 30_000]),  # type: ignore[arg-type]
                armed_at_ms=dice.choice([0, 0, 1_100_000]),
            )
        )
    prices_e4, time_ms, ticks = {1: 1_000_000, 2: 1_000_000}, 1_000_000, []
    for _ in range(1_000):
        token = dice.randint(1, 2)
        prices_e4[token] += dice.choice([-3, -1, -1, 0, 1, 1, 3]) * 1_000
        time_ms += dice.choice([0, 200, 1_000, 1_000, -500])
        ticks.append(Tick(token, prices_e4[token], time_ms))
    expected = [PeerAlert(*alert) for alert in expected_alerts(ticks, rules)]
    assert len(expected) > 500
    return rules, ticks, expected


async def through_streams(redis_url: str, peer: str) -> list[PeerAlert]:
    rules, ticks, _ = small_market()
    async with process.connect(redis_url) as redis:
        for tick in ticks:
            await redis.xadd("ticks", {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms})
        if peer == "script per rule":
            scripts = ScriptPerRule(redis, "ticks", "alerts")
            await scripts.arm(map(plain, rules))
            await scripts.drain()
        else:
            decider: Decider = (Naive if peer == "naive" else Memory)(map(plain, rules))
            await Consumer(redis, "ticks", "alerts", decider).drain()
        return [
            PeerAlert(
                int(entry["time_ms"]), entry["rule"], entry["direction"], int(entry["price_e4"]), int(entry["reference_e4"])
            )
            for _, entry in await redis.xrange("alerts")
        ]


@pytest.mark.parametrize("peer", ["naive", "memory", "script per rule"])
async def test_a_peer_appends_the_alerts_that_the_oracle_calls_for(redis_url: str, peer: str) -> None:
    assert await through_streams(redis_url, peer) == small_market()[2]


@pytest.mark.skipif(not importlib.util.find_spec("bytewax"), reason="Bytewax is not a requirement of the product")
def test_the_bytewax_flow_emits_the_alerts_that_the_oracle_calls_for() -> None:
    from bench.peers.bytewax_flow import run

    rules, ticks, expected = small_market()
    plain_ticks = [PlainTick(tick.token, tick.price_e4, tick.time_ms) for tick in ticks]
    plain_rules: list[PlainRule] = [plain(rule) for rule in rules]
    _, alerts = run(plain_rules, [plain_ticks[:300], plain_ticks[300:]])
    # Bytewax keeps the order of an instrument, not of a batch.
    assert sorted(alerts) == sorted(expected)


def test_peers_are_held_against_the_engine_tick_by_tick() -> None:
    ours = [PeerAlert(1, "r1", "up", 103, 100), PeerAlert(2, "r3", "up", 104, 100), PeerAlert(2, "r2", "up", 104, 100)]
    # Within a tick the engine's order is that of its bursts.
    assert must_agree("peer", [ours[0], ours[2], ours[1]], ours, until_ms=2) == 3
    assert must_agree("slow peer", ours[:1], ours, until_ms=1) == 1
    for found in ([*ours[1:], ours[0]], ours[:2], [*ours, ours[2]], [ours[0], ours[1], ours[2]._replace(reference_e4=101)]):
        with pytest.raises(RuntimeError, match="that are not our 3"):
            must_agree("peer", found, ours, until_ms=2)
    with pytest.raises(RuntimeError, match="no rule fired"):
        must_agree("peer", [], [], until_ms=2)
