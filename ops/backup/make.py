"""Making a backup: what goes into it, in which order, and what is said of it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from redis import Redis

from ops.backup.archive import FORMAT, Row
from ops.backup.contents import read_keys, read_stream
from ops.backup.engine import read_engine
from stormalert import words
from stormalert.access.security import sealer
from stormalert.batches import batched
from stormalert.config.settings import Settings
from stormalert.redis import keys
from stormalert.redis.keys import Backup, Shard, all_shards
from stormalert.store import Store
from stormalert.units import now_ms

AT_ONCE = 1_000
# Sealed into a backup, to know by whether the secret is the same that seals the rest of it.
SEALED = "stormalert"
# By ordinary commands, key by key.
PLAIN = tuple(
    family
    for family in keys.FAMILIES
    if family.backup is Backup.KEPT and family.type != "stream" and family not in (*keys.ENGINE, Shard.instrument)
)


def rows(config: Settings, store: Store, client: Redis) -> Iterator[Row]:
    """All of it. Raises StormError, and redis-py's errors when Redis is away."""
    shards = all_shards(config.shards)
    seal = sealer(config).seal(SEALED) if config.master_secret.get_secret_value() else ""
    place = "MongoDB" if config.mongodb_uri else "SQLite"
    yield ["header", {"format": FORMAT, "made_ms": now_ms(), "shards": config.shards, "store": place, "seal": seal}]
    # Here and again below: on which instruments a watchlist's rule is, before and after the rules are read.
    yield from _plain(client, keys.spread.glob())
    yield from read_engine(client, shards)
    for stream in (*(shard.alerts for shard in shards), keys.GAPS):
        if client.exists(stream):
            yield from read_stream(client, stream.encode())
    for collection, fields in store.dump():
        yield ["record", collection, fields]
    # Behind the store: what it has as queued has its mark here if it went out meanwhile.
    yield from _plain(client, keys.ALL)


class BackedUp:
    """Rows on their way, counted."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = rows
        self.records: Counter[str] = Counter()
        self.keys = 0

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            if row[0] == "record":
                self.records[row[1]] += 1
            self.keys += row[0] in ("key", "stream")
            yield row


def told(records: Mapping[str, int]) -> str:
    """Such as "3 users, 40 rules and 1,203 alerts"."""
    parts = [f"{words.grouped(count)} {_noun(name, count)}" for name, count in records.items() if count]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts or ["nothing"])


def _noun(collection: str, count: int) -> str:
    if collection == "audit":
        return "entries of the audit log" if count > 1 else "entry of the audit log"
    return collection if count > 1 else {"deliveries": "delivery"}.get(collection, collection.removesuffix("s"))


def _plain(client: Redis, match: str) -> Iterator[Row]:
    patterns = [family.pattern for family in PLAIN]
    names = (
        name
        for name in client.scan_iter(match=match, count=AT_ONCE)
        if any(pattern.fullmatch(name.decode()) for pattern in patterns)
    )
    yield from chain.from_iterable(read_keys(client, some, now_ms()) for some in batched(names, AT_ONCE))
