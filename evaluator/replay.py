"""A recorded market through the very engine that runs live, as fast as it goes."""

import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TypeVar, cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

from evaluator import tables
from evaluator.days import parts
from stormalert import process
from stormalert.batches import batched
from stormalert.errors import InputError
from stormalert.model import Rule, Tick
from stormalert.redis.embedded import throwaway_server
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import run_all
from stormalert.rules import engine
from stormalert.rules.kinds import KINDS
from stormalert.units import format_price

Item = TypeVar("Item")
Entry = Mapping[str, str]
# Told how many ticks were evaluated, of how many.
OnProgress = Callable[[int, int], object]

# Ticks sent before the engine takes them: bounds the stream, whatever the size of the file.
TICKS_AT_ONCE = 5_000
TICKS_A_CALL = 500
# Nobody else waits for the server.
HOLD_MS = 1_000
# All that one tick fires, in one call: so its alerts come by rule id.
BURST = 1_000_000


async def replay(
    ticks: Path,
    rules: Path,
    out: Path,
    redis_url: str | None,
    on_progress: OnProgress | None = None,
    alerts_max: int | None = None,
) -> tuple[int, int]:
    """Writes the alerts of the market in `ticks` under `rules` to `out`; returns how many ticks and alerts there were.

    Raises InputError for files that cannot be used, a server that cannot be reached, or more alerts than `alerts_max`.
    """
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: there is no directory {out.absolute().parent}")
    market = tables.read_market(ticks)
    book = tables.read_rules(rules, market.symbols)
    names = {rule.id: name for name, rule in book.items()}
    with nullcontext(redis_url) if redis_url else throwaway_server() as url:
        try:
            async with process.connect(url) as redis:
                rows: list[tuple[str, ...]] = []
                taken = (lambda done: on_progress(done, len(market.ticks))) if on_progress else None
                async with aclosing(engine_alerts(redis, market.ticks, book.values(), on_taken=taken)) as alerts:
                    async for alert in alerts:
                        rows.append(_row(alert, names))
                        if alerts_max is not None and len(rows) > alerts_max:
                            raise InputError(f"there are more than {alerts_max} alerts")
        except (RedisError, ValueError) as error:
            raise InputError(f"redis at --redis cannot be used: {error}") from None
    tables.write_alerts(out, rows)
    return len(market.ticks), len(rows)


async def engine_alerts(
    redis: Redis,
    ticks: Iterable[Tick],
    rules: Iterable[Rule],
    ticks_a_call: int = TICKS_A_CALL,
    on_taken: Callable[[int], object] | None = None,
) -> AsyncGenerator[Entry, None]:
    """The engine's alerts in firing order, as stream entries; under a tag of its own that is gone afterwards.

    `on_taken` is told now and then how many ticks were evaluated.
    """
    shard = Shard(f"replay-{secrets.token_hex(6)}")
    rules = list(rules)
    need_closes = any(KINDS[rule.kind].needs_close for rule in rules)
    taken = 0
    try:
        await _arm(redis, shard, rules)
        for closes_e4, chunk in parts(ticks, TICKS_AT_ONCE):
            if need_closes:
                await _close(redis, shard, closes_e4)
            await _append(redis, shard, chunk)
            async for entry in _evaluate(redis, shard, ticks_a_call):
                yield entry
            await redis.xtrim(shard.ticks, maxlen=0, approximate=False)
            taken += len(chunk)
            if on_taken:
                on_taken(taken)
    finally:
        await _forget(redis, shard)


async def _arm(redis: Redis, shard: Shard, rules: Iterable[Rule]) -> None:
    for chunk in batched(rules, TICKS_AT_ONCE):
        for reply in await run_all(redis, [engine.arm(shard, rule) for rule in chunk]):
            if isinstance(reply, Exception):
                raise reply


async def _close(redis: Redis, shard: Shard, closes_e4: Mapping[int, int]) -> None:
    """As ingest leaves them for the engine."""
    async with redis.pipeline(transaction=False) as pipe:
        for token, close_e4 in closes_e4.items():
            pipe.hset(shard.quote(token), "close", format_price(close_e4))
        await pipe.execute()


async def _append(redis: Redis, shard: Shard, ticks: Iterable[Tick]) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for tick in ticks:
            pipe.xadd(shard.ticks, {"token": tick.token, "price": format_price(tick.price_e4), "time": tick.time_ms})
        await pipe.execute()


async def _evaluate(redis: Redis, shard: Shard, ticks_a_call: int) -> AsyncIterator[Entry]:
    step = engine.evaluate(shard, ticks_a_call, HOLD_MS, BURST)
    while True:
        done = await step.run(redis)
        if done.alerts:
            for _, entry in await redis.xrange(shard.alerts) or ():
                yield cast(Entry, entry)
            await redis.xtrim(shard.alerts, maxlen=0, approximate=False)
        if not done.taken + done.begun:
            return


async def _forget(redis: Redis, shard: Shard) -> None:
    async for key in redis.scan_iter(match=f"{shard.prefix}*", count=1000):
        await redis.unlink(key)


def _row(alert: Entry, names: Mapping[str, str]) -> tuple[str, ...]:
    return alert["time"], names[alert["rule"]], alert["symbol"], alert["direction"], alert["price"], alert["reference"]
