"""What the engine keeps, instrument by instrument: each at one moment, by a script, while ticks go on."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from redis import Redis

from ops.backup.archive import Row
from stormalert.batches import batched
from stormalert.redis import keys
from stormalert.redis.keys import Shard
from stormalert.rules.engine import RuleText, export

AT_ONCE = 1_000


def read_engine(client: Redis, shards: Sequence[Shard]) -> Iterator[Row]:
    """Rows of the keys of all instruments and their rules."""
    tokens: dict[Shard, set[int]] = defaultdict(set)
    rules: dict[Shard, list[str]] = defaultdict(list)
    for name in client.scan_iter(match=keys.ALL, count=AT_ONCE):
        at = keys.of_shard(name.decode())
        if at is None or at.shard not in shards:
            continue
        if at.noun == Shard.state.noun:
            tokens[at.shard].add(int(at.rest))
        if at.noun == Shard.rule.noun:
            rules[at.shard].append(at.rest)
    for shard in shards:
        of_token = _by_token(client, shard, rules[shard])
        for token in tokens[shard] | set(of_token):
            for name, kind, content in export(shard, token, of_token[token]).ask(client):
                yield ["key", name, kind.decode(), 0, content]


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
                    found[RuleText.read(text).token].append(rule)
    return found
