"""Keys of Redis by their types: read with ordinary commands and written with them, so that any version and kind takes them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

from redis import Redis

from ops.backup.archive import Row, content_of
from stormalert.batches import batched

AT_ONCE = 1_000
# Pending entries of one group that are read.
PENDING_MAX = 1_000_000
# Who is said to have the entries that a group had read and not acknowledged; whoever reads next claims them.
CLAIMANT = "restored"
_WRITE = {"string": "SET", "hash": "HSET", "set": "SADD", "zset": "ZADD", "list": "RPUSH"}


def read_keys(client: Redis, names: Sequence[bytes], now_ms: int) -> Iterator[Row]:
    """A row for each that is there, streams left out."""
    kinds = _ask(client, lambda pipe: [pipe.type(name) for name in names])
    known = [(name, kind.decode()) for name, kind in zip(names, kinds, strict=True) if kind.decode() in _WRITE]
    contents = _ask(client, lambda pipe: [_read(pipe, name, kind) for name, kind in known])
    # Behind the contents: what expires in between is left out, and nothing lives for ever by mistake.
    left = _ask(client, lambda pipe: [pipe.pttl(name) for name, _ in known])
    for (name, kind), content, left_ms in zip(known, contents, left, strict=True):
        if content and left_ms != -2:
            yield ["key", name, kind, now_ms + left_ms if left_ms >= 0 else 0, _flat(content)]


def read_stream(client: Redis, name: bytes) -> Iterator[Row]:
    """How far its groups are, then its entries as they are behind that."""
    groups = [
        [it["name"], it["last-delivered-id"], it["entries-read"], _pending(client, name, it["name"], it["last-delivered-id"])]
        for it in client.xinfo_groups(name)
    ]
    facts = client.xinfo_stream(name)
    last = facts["last-generated-id"]
    start = b"-"
    while entries := cast(list[Any], client.xrange(name, start, last, count=AT_ONCE)):
        yield ["entries", name, [[entry_id, _flat(fields)] for entry_id, fields in entries]]
        start = b"(" + entries[-1][0]
    yield ["stream", name, [last, facts["entries-added"], facts["max-deleted-entry-id"], groups]]


def write_keys(client: Redis, rows: Iterable[Row], now_ms: int) -> None:
    """All but those that have expired meanwhile."""
    with client.pipeline(transaction=False) as pipe:
        for _, name, kind, expires_ms, plain in rows:
            if expires_ms and expires_ms <= now_ms:
                continue
            content = content_of(plain)
            if kind == "string":
                pipe.set(name, content)
            else:
                for part in batched(content, AT_ONCE):
                    _do(pipe, _WRITE[kind], name, *_values(kind, part))
            if expires_ms:
                pipe.pexpireat(name, expires_ms)
        pipe.execute()


def write_entries(client: Redis, row: Row) -> None:
    _, name, entries = row
    with client.pipeline(transaction=False) as pipe:
        for entry_id, fields in content_of(entries):
            pipe.xadd(name, dict(zip(fields[::2], fields[1::2], strict=True)), id=entry_id)
        pipe.execute()


def write_stream(client: Redis, row: Row) -> None:
    """Behind its entries: what they do not say."""
    _, name, (last, added, deleted, groups) = row
    for group, read_to, entries_read, pending in groups:
        counted = [] if entries_read is None else ["ENTRIESREAD", entries_read]
        _do(client, "XGROUP CREATE", name, group, read_to, "MKSTREAM", *counted)
        for ids in batched(pending, AT_ONCE):
            client.xclaim(name, group, CLAIMANT, 0, ids, force=True, justid=True)
    if client.exists(name):
        _do(client, "XSETID", name, last, "ENTRIESADDED", added, "MAXDELETEDID", deleted)


def _values(kind: str, part: list[Any]) -> list[Any]:
    """As the command takes them: a sorted set's scores come first."""
    if kind != "zset":
        return part
    return [each for member, score in zip(part[::2], part[1::2], strict=True) for each in (score, member)]


def _do(client: Redis, *command: Any) -> None:
    client.execute_command(*command)  # type: ignore[no-untyped-call]


def _ask(client: Redis, questions: Callable[[Any], object]) -> list[Any]:
    with client.pipeline(transaction=False) as pipe:
        questions(pipe)
        return list(pipe.execute())


def _read(pipe: Any, name: bytes, kind: str) -> object:
    match kind:
        case "hash":
            return pipe.hgetall(name)
        case "set":
            return pipe.smembers(name)
        case "list":
            return pipe.lrange(name, 0, -1)
        case "zset":
            return pipe.zrange(name, 0, -1, withscores=True)
    return pipe.get(name)


def _flat(content: Any) -> Any:
    """Pairs as one list; a string as it is."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, dict):
        return [each for pair in content.items() for each in pair]
    items = list(content)
    return [each for pair in items for each in pair] if items and isinstance(items[0], list | tuple) else items


def _pending(client: Redis, name: bytes, group: bytes, read_to: bytes) -> list[bytes]:
    rows = client.xpending_range(name, group, "-", read_to, PENDING_MAX)
    return [row["message_id"] for row in cast(list[dict[str, Any]], rows)]
