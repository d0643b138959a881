import re
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormalert.redis import keys
from stormalert.redis.keys import Family, Shard, all_shards, shard_of

ROOT = Path(__file__).parents[3]
TOKENS = st.integers(1, 2**32 - 1)


def test_an_instrument_stays_on_its_shard_whatever_process_asks() -> None:
    # Fixed for ever: data in Redis lies where these say.
    assert [shard_of(token, 16).tag for token in (408065, 256265, 738561)] == ["s6", "s6", "s10"]


@given(token=TOKENS, shards=st.integers(1, 1024))
def test_every_instrument_has_a_shard_among_all(token: int, shards: int) -> None:
    assert shard_of(token, shards) in all_shards(shards)


def test_instruments_spread_evenly() -> None:
    counts = Counter(shard_of(token, 8).tag for token in range(1, 9_001))
    assert min(counts.values()) > 1_000


SHARD = Shard("s3")
IDS = ("a", "b", "c")


def ids_of(family: Family) -> tuple[str, ...]:
    return IDS[: family.name.count("<")]


def spelled(family: Family) -> str:
    """A key of the family."""
    if isinstance(family, keys.KeysBy):
        return str(family(*ids_of(family)))
    if isinstance(family, keys.ShardKeysBy):
        return str(family.__get__(SHARD, Shard)(*ids_of(family)))
    return str(family.__get__(SHARD, Shard) if isinstance(family, keys.ShardKey) else family)


def test_a_key_reads_as_its_declaration_says() -> None:
    spelled = (
        *(SHARD.ticks, SHARD.rule("r1"), SHARD.quote(408065), keys.FEED, keys.sent("d1")),
        *(keys.alive("ingest", "host", 7), keys.window("telegram:1:minute"), keys.inbound("+919800000001")),
    )
    # Fixed for ever: data in Redis lies where these say.
    assert (
        list(spelled)
        == """
        storm:{s3}:ticks storm:{s3}:rule:r1 storm:{s3}:quote:408065 storm:feed storm:sent:d1
        storm:alive:ingest:host-7 storm:{limits}:window:telegram:1:minute storm:inbound:9bcf9e86804c445b4e195073
    """.split()
    )


@pytest.mark.parametrize("family", keys.FAMILIES, ids=lambda it: it.name)
def test_a_key_is_of_its_family_alone_and_its_glob_finds_it(family: Family) -> None:
    key = spelled(family)
    assert [it.name for it in keys.FAMILIES if it.pattern.fullmatch(key)] == [family.name]
    assert [it.name for it in keys.FAMILIES if fnmatchcase(key, it.glob().replace("[", "[[]"))] == [family.name]
    assert fnmatchcase(key, keys.ALL)
    found = keys.of_shard(key)
    if "{s0}" in family.name:
        assert found is not None
        assert (found.shard, found.noun) == (SHARD, family.noun)
    else:
        assert found is None or found.shard not in all_shards(8)


@pytest.mark.parametrize("family", [it for it in keys.FAMILIES if ids_of(it)], ids=lambda it: it.name)
def test_a_key_takes_exactly_the_ids_of_its_pattern(family: Family) -> None:
    declared = getattr(family, "__orig_class__", None) or family.__orig_bases__[0]  # type: ignore[attr-defined]
    assert len(get_args(declared)) == len(ids_of(family))
    key = family if isinstance(family, keys.KeysBy) else family.__get__(SHARD, Shard)  # type: ignore[attr-defined]
    for wrong in (ids_of(family)[1:], (*ids_of(family), "d")):
        with pytest.raises(TypeError):
            key(*wrong)


def test_a_glob_takes_the_ids_that_are_known_and_one_shard_where_it_is_said() -> None:
    globs = (
        *(keys.alive.glob("worker"), keys.alive.glob("worker", "*", 7), Shard.moves.glob(7, "up")),
        *(Shard.moves.glob(shard=SHARD), keys.FEED.glob(), Shard.ticks.glob()),
    )
    assert (
        list(globs)
        == """
        storm:alive:worker:* storm:alive:worker:*-7 storm:{s*}:moves:7:up:*
        storm:{s3}:moves:* storm:feed storm:{s*}:ticks
    """.split()
    )


def test_whose_number_it_is_cannot_be_read_from_a_key() -> None:
    assert "9800000001" not in keys.inbound("+919800000001")


def test_no_key_is_spelled_anywhere_but_in_its_declaration() -> None:
    """A key that is written by hand is known neither to the ACL nor to a backup."""
    literal = re.compile(r"""["']storm:""")
    folders = ("bench", "dashboard", "evaluator", "ingest", "ops", "sandbox", "stormalert", "tests", "workers")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert [str(path) for path in files if path != Path(keys.__file__) and literal.search(path.read_text())] == []
