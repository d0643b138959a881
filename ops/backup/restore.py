"""Putting a backup in the place of an installation: first everything is checked, then the store is written, then Redis."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast

from redis import Redis

from ops.backup import archive, contents
from ops.backup.make import AT_ONCE, BackedUp, told
from stormalert import words
from stormalert.access.security import sealer
from stormalert.batches import batched
from stormalert.config.settings import Settings
from stormalert.errors import InputError, StormError
from stormalert.process import ALIVE_MS
from stormalert.redis import keys
from stormalert.redis.keys import Backup, Shard
from stormalert.rules.engine import read_armed, rest
from stormalert.store import Store, dump
from stormalert.store.nouns import AUDIT, INSTRUMENTS, ONE_TIME_TOKENS, SETTINGS
from stormalert.units import format_ist, now_ms

# What a new installation makes by itself before anybody used it.
OWN = (INSTRUMENTS.name, ONE_TIME_TOKENS.name, AUDIT.name, SETTINGS.name)

# An armed rule by the id that its alert will have: shard, instrument, rule and epoch.
Armed = dict[str, tuple[Shard, int, str, int]]


def restore(config: Settings, store: Store, client: Redis, path: Path, *, is_forced: bool = False) -> Iterator[str]:
    """Sentences of what it found and did. Raises InputError before anything is written where it cannot or must not be."""
    yield look(config, client, path, is_forced=is_forced)
    if not is_forced:
        _check_is_empty(store, client)
    store.load((row[1], row[2]) for row in archive.rows(path) if row[0] == "record")
    _empty(client)
    armed = _write(client, path)
    rested = _let_rest(client, path, armed)
    yield "Restored."
    if rested:
        yield f"{words.grouped(rested)} rules fired while the backup was made: they cool down, or are spent."


def look(config: Settings, client: Redis, path: Path, *, is_forced: bool) -> str:
    """A sentence about the backup. Raises InputError when it cannot be restored here, or something runs. Opens no store."""
    header = archive.check(path)
    counted = BackedUp(archive.rows(path))
    for row in counted:
        _check(row)
    _check_fit(header, config, is_forced)
    _check_nothing_runs(client)
    return (
        f"A backup of {format_ist(header['made_ms'])}, made with {header['store']}: {told(counted.records)},"
        f" and {words.grouped(counted.keys)} keys of Redis."
    )


def _check(row: archive.Row) -> None:
    match row:
        case ["record", str(noun), dict(fields)]:
            dump.record(noun, fields)
        case ["key", str(), str(), int(), _] | ["entries", str(), list()] | ["stream", str(), [_, _, _, list()]]:
            return
        case _:
            raise InputError(f"the backup has a line that begins with {row[0]!r}, which this StormAlert does not know")


def _check_fit(header: dict[str, Any], config: Settings, is_forced: bool) -> None:
    if header["shards"] != config.shards:
        raise InputError(
            f"the backup is of an installation with STORM_SHARDS={header['shards']}, here it is {config.shards}:"
            " set it as it was"
        )
    if not header["seal"] or is_forced:
        return
    try:
        sealer(config).unseal(header["seal"])
    except StormError:
        raise InputError(
            "STORM_MASTER_SECRET is not the one of the installation that was backed up, so that keys and tokens in the backup"
            " cannot be opened. Set it as it was (of `make run` it stands in run.env); or give --force, and set them anew"
        ) from None


def _check_nothing_runs(client: Redis) -> None:
    beating = cast(list[bytes], client.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
    if beating:
        names = sorted({keys.process_of(name.decode())[0] for name in beating})
        raise InputError(f"StormAlert runs here ({', '.join(names)}): stop everything but Redis and the store first")


def _check_is_empty(store: Store, client: Redis) -> None:
    records = {name: count for name, count in store.counts().items() if name not in OWN}
    count = sum(1 for _ in _names(client))
    if any(records.values()) or count:
        raise InputError(
            f"this installation is not empty: the store holds {told(records)}, Redis {words.grouped(count)} keys."
            " Give --force to put the backup in the place of all that"
        )


def _names(client: Redis) -> Iterator[bytes]:
    """Of all keys but those of a moment."""
    passing = [family.pattern for family in keys.FAMILIES if family.backup is not Backup.KEPT]
    for name in client.scan_iter(match=keys.ALL, count=AT_ONCE):
        if not any(pattern.fullmatch(name.decode()) for pattern in passing):
            yield name


def _empty(client: Redis) -> None:
    # Key by key: those of a cluster lie on several nodes.
    for name in client.scan_iter(match=keys.ALL, count=AT_ONCE):
        client.unlink(name)


def _write(client: Redis, path: Path) -> Armed:
    armed: Armed = {}
    for is_key, some in groupby(archive.rows(path), key=lambda row: row[0] == "key"):
        if is_key:
            for rows in batched(some, AT_ONCE):
                contents.write_keys(client, rows, now_ms())
                for row in rows:
                    armed |= _armed(row)
            continue
        for row in some:
            if row[0] == "entries":
                contents.write_entries(client, row)
            elif row[0] == "stream":
                contents.write_stream(client, row)
    return armed


def _armed(row: archive.Row) -> Armed:
    _, name, kind, _, fields = row
    at = keys.of_shard(name)
    if kind != "hash" or at is None or at.noun != Shard.rule.noun:
        return {}
    found = read_armed(dict(zip(fields[::2], fields[1::2], strict=True)))
    if found is None or found.state != "armed":
        return {}
    return {f"{at.rest}-{found.epoch}": (at.shard, found.text.token, at.rest, found.epoch)}


def _let_rest(client: Redis, path: Path, armed: Armed) -> int:
    """Rules whose alert is in the backup although they are armed in it: they fired between the two being read."""
    count = 0
    for alert, fired_ms in _alerts(path):
        if alert in armed:
            count += rest(*armed[alert], fired_ms).ask(client)
    return count


def _alerts(path: Path) -> Iterator[tuple[str, int]]:
    for row in archive.rows(path):
        if row[:2] == ["record", "alerts"]:
            yield row[2]["id"], row[2]["time_ms"]
        elif row[0] == "entries":
            for _, fields in row[2]:
                named = dict(zip(fields[::2], fields[1::2], strict=True))
                if "alert" in named:
                    yield named["alert"], int(named["time"])
