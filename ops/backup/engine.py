"""What the engine keeps, instrument by instrument: each at one moment, by a script, while ticks go on."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, cast

from redis import Redis
from redis.exceptions import NoScriptError

from ops.backup.archive import Row
from stormalert.batches import batched
from stormalert.redis.keys import Shard
from stormalert.redis.scripts import Value, script

AT_ONCE = 1_000


def read_engine(client: Redis, shards: Sequence[Shard]) -> Iterator[Row]:
    """Rows of the keys of all instruments and their rules."""
    by_prefix = {shard.prefix: shard for shard in shards}
    tokens: dict[Shard, set[int]] = defaultdict(set)
    rules: dict[Shard, list[str]] = defaultdict(list)
    for name in client.scan_iter(match="storm:{*", count=AT_ONCE):
        prefix, noun, rest = _parts(name.decode())
        if noun == "state" and prefix in by_prefix:
            tokens[by_prefix[prefix]].add(int(rest))
        if noun == "rule" and prefix in by_prefix:
            rules[by_prefix[prefix]].append(rest)
    for shard in shards:
        of_token = _by_token(client, shard, rules[shard])
        for token in tokens[shard] | set(of_token):
            for name, kind, content in _export(client, shard, token, of_token[token]):
                yield ["key", name, kind.decode(), 0, content]


def let_rest(client: Redis, shard: Shard, token: int, rule: str, epoch: int, fired_ms: int) -> bool:
    """A rule that a backup has armed although its alert is known; see lua/rest.lua."""
    rest = script("rest")
    packed = rest.pack(instrument=shard.instrument(token), rule=shard.rule(rule), id=rule, epoch=epoch, fired=fired_ms)
    return bool(_call(client, "rest", packed))


def _by_token(client: Redis, shard: Shard, rules: Sequence[str]) -> dict[int, list[str]]:
    """Ids of rules by the instrument that their hash names."""
    found: dict[int, list[str]] = defaultdict(list)
    for some in batched(rules, AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for rule in some:
                pipe.hget(shard.rule(rule), "rule")
            for rule, text in zip(some, pipe.execute(), strict=True):
                # None: deleted meanwhile.
                if text:
                    found[int(text.split()[0])].append(rule)
    return found


def _export(client: Redis, shard: Shard, token: int, rules: Sequence[str]) -> list[tuple[bytes, bytes, Any]]:
    packed = script("export").pack(instrument=shard.instrument(token), token=token, rules=list(rules))
    return cast(list[tuple[bytes, bytes, Any]], _call(client, "export", packed))


def _call(client: Redis, name: str, packed: Sequence[Value]) -> Any:
    called = script(name)
    try:
        return called.queue(client, packed)
    except NoScriptError:
        client.script_load(called.text)
        return called.queue(client, packed)


def _parts(name: str) -> tuple[str, str, str]:
    """The prefix of a shard's key, its noun, and what follows it."""
    tag, _, behind = name.partition("}:")
    noun, _, rest = behind.partition(":")
    return f"{tag}}}:", noun, rest
