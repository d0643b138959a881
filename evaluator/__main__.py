"""python -m evaluator: pump and rule sync; with `replay` the engine over a recorded market, with `show` one instrument."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop
from redis.asyncio import Redis

from evaluator.pump import Pump, Slowest
from evaluator.replay import replay
from evaluator.rule_sync import RuleSync
from evaluator.show import show
from evaluator.tables import ALERT_COLUMNS, PRICE_COLUMN, RULE_COLUMNS, TICK_COLUMNS
from stormalert import process
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.histogram import Histogram
from stormalert.redis.keys import all_shards
from stormalert.store import open_store


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluator", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    showing = commands.add_parser("show", help="where an instrument stands, and which rules are nearest to firing")
    showing.add_argument("symbol", help="such as NSE:INFY")
    replaying = commands.add_parser("replay", help="alerts of recorded ticks under given rules")
    replaying.add_argument("--ticks", type=Path, required=True, help=f"CSV to read: {','.join(TICK_COLUMNS)}")
    with_price = f"with {PRICE_COLUMN} as a further column there may be day and level rules too"
    replaying.add_argument("--rules", type=Path, required=True, help=f"CSV to read: {','.join(RULE_COLUMNS)}; {with_price}")
    replaying.add_argument("--out", type=Path, required=True, help=f"CSV to write: {','.join(ALERT_COLUMNS)}")
    replaying.add_argument("--redis", help="URL of a server to use; without it an embedded one is started")
    replaying.add_argument("--progress", action="store_true", help="print lines: progress TICKS-DONE TICKS-IN-ALL")
    replaying.add_argument("--alerts-max", type=int, help="give up when there are more alerts")
    arguments = parser.parse_args()
    if arguments.command == "replay":
        sys.exit(_tell(_replay(arguments)))
    if arguments.command == "show":
        sys.exit(_tell(_show(process.load_or_exit(), arguments.symbol)))
    process.run("evaluator", _evaluate)


async def _evaluate(settings: Settings, stopping: asyncio.Event) -> None:
    async with process.connect(settings.redis_url) as redis:
        if await process.wait_for_redis(redis, stopping):
            await _pump(redis, settings, stopping)


async def _pump(redis: Redis, settings: Settings, stopping: asyncio.Event) -> None:
    heartbeat = process.Heartbeat("evaluator", redis, settings.beat_path)
    heartbeat.stats = {"ticks": 0, "alerts": 0, "delay_ms": 0}
    slowest, delays, alert_delays = Slowest(), Histogram(), Histogram()

    def count(ticks: int, alerts: int, delay_ms: int) -> None:
        delays.note(delay_ms, ticks)
        alert_delays.note(delay_ms, alerts)
        heartbeat.stats = {
            "ticks": int(heartbeat.stats["ticks"]) + ticks,
            "alerts": int(heartbeat.stats["alerts"]) + alerts,
            "delay_ms": slowest.note(delay_ms),
            "delays": delays.text,
            "alert_delays": alert_delays.text,
        }

    async with process.Tasks(stopping) as tasks:
        tasks.create_task(heartbeat.beat_until(stopping))
        for shard in all_shards(settings.shards):
            tasks.create_task(Pump(redis, shard, count).run_until(stopping))
        tasks.create_task(_sync_rules(redis, settings, stopping))


async def _sync_rules(redis: Redis, settings: Settings, stopping: asyncio.Event) -> None:
    """What is armed in Redis is evaluated without the store; changes are brought over when it is there."""
    if store := await process.store_when_there(settings, stopping):
        await RuleSync(redis, store, settings.shards).run_until(stopping)
        store.close()


async def _replay(arguments: argparse.Namespace) -> str:
    on_progress = _print_progress if arguments.progress else None
    ticks, alerts = await replay(
        arguments.ticks, arguments.rules, arguments.out, arguments.redis, on_progress, arguments.alerts_max
    )
    return f"{ticks} ticks, {alerts} alert{'' if alerts == 1 else 's'}, written to {arguments.out}"


def _print_progress(done: int, ticks: int) -> None:
    print("progress", done, ticks, flush=True)


async def _show(settings: Settings, symbol: str) -> str:
    store = open_store(settings.mongodb_uri, settings.sqlite_path)
    try:
        async with process.connect(settings.redis_url) as redis:
            return await show(redis, store, settings.shards, symbol)
    except process.UNREACHABLE as error:
        raise StormError(f"redis does not answer: {error}") from None
    finally:
        store.close()


def _tell(work: Coroutine[Any, Any, str]) -> int:
    """Exit code. A stop on the way lets the work tidy up: a replay has a server of its own."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        print(uvloop.run(work), flush=True)
    except StormError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # Nobody is there any more who wants to know; not even Python's last flush may complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


if __name__ == "__main__":
    main()
