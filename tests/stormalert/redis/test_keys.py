from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stormalert.redis import keys
from stormalert.redis.keys import Shard, all_shards, shard_of

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


@given(token=TOKENS)
def test_all_keys_of_a_shard_carry_its_hash_tag(token: int) -> None:
    shard = Shard("s3")
    names = [shard.ticks, shard.alerts, shard.counters, shard.rulebook]
    names += [shard.instrument(token), shard.quote(token), shard.rule("r1")]
    assert all(name.startswith("storm:{s3}:") for name in names)
    assert len(set(names)) == len(names)


def test_every_key_that_is_spelled_stands_in_the_key_table() -> None:
    shard = Shard("s0")
    spelled = [
        shard.ticks, shard.alerts, shard.counters, shard.rulebook, shard.instrument(1), shard.quote(1), shard.rule("r"),
        keys.alive("ingest", "host", 1), keys.revoked("s"), keys.sign_ins("x"), keys.sign_in_pause("x"), keys.sent("d"),
        keys.FEED, keys.GAPS, keys.BEATS, keys.errand("e"), keys.link("d"), keys.code("c"),
        keys.code_tries("c"), keys.codes_asked("u"),
        keys.listed("1"), keys.stranger("1"), keys.ERRANDS, keys.BOT_NAME, keys.BOT_LOCK, shard.appended("p"), shard.bars(1),
    ]  # fmt: skip
    assert [name for name in spelled if not any(family.pattern.fullmatch(name) for family in keys.TABLE)] == []
