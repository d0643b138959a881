"""Every type of key, from one server to another: the wheel's Valkey, and the oldest Redis that must do, where installed."""

import json
from collections.abc import Iterator

import pytest
from redis import Redis

from ops.backup import archive, contents
from stormalert.redis.keys import Shard
from stormalert.units import HOUR_MS, now_ms
from tests.evaluator.test_servers import installed_server  # noqa: F401 - a fixture

ALERTS = Shard("s0").alerts


@pytest.fixture(params=["valkey", "installed"])
def other(request: pytest.FixtureRequest, target: Redis) -> Iterator[Redis]:
    if request.param == "valkey":
        yield target
        return
    with Redis.from_url(request.getfixturevalue("installed_server")) as client:
        yield client


def through_a_file(rows: Iterator[archive.Row]) -> list[archive.Row]:
    return [json.loads(archive._text(row)) for row in rows]


def moved(source: Redis, other: Redis, *names: str) -> None:
    contents.write_keys(
        other, through_a_file(contents.read_keys(source, [name.encode() for name in names], now_ms())), now_ms()
    )


def moved_stream(source: Redis, other: Redis) -> None:
    for row in through_a_file(contents.read_stream(source, ALERTS.encode())):
        (contents.write_entries if row[0] == "entries" else contents.write_stream)(other, row)


def test_a_string_with_any_bytes(source: Redis, other: Redis) -> None:
    source.set("k", bytes(range(256)))
    moved(source, other, "k")
    assert other.get("k") == bytes(range(256))


def test_a_hash_a_set_and_a_list(source: Redis, other: Redis) -> None:
    source.hset("h", mapping={f"f{n}": f"v{n} ₹" for n in range(2_500)})
    source.sadd("s", *range(1_500))
    source.rpush("l", *range(1_500))
    moved(source, other, "h", "s", "l")
    assert other.hgetall("h") == source.hgetall("h")
    assert other.smembers("s") == source.smembers("s")
    assert other.lrange("l", 0, -1) == source.lrange("l", 0, -1)


def test_a_sorted_set_with_scores_as_exact_as_they_were(source: Redis, other: Redis) -> None:
    scores = {"a": 0.1, "b": 281474976710656, "c": 13_845_500, "d": -1.5, "e": float("inf")}
    source.zadd("z", scores | {f"m{n}": n / 3 for n in range(2_500)})
    moved(source, other, "z")
    assert other.zrange("z", 0, -1, withscores=True) == source.zrange("z", 0, -1, withscores=True)


def test_what_expires_does_so_at_the_same_moment(source: Redis, other: Redis) -> None:
    source.set("k", "v", px=HOUR_MS)
    moved(source, other, "k")
    assert abs(other.pexpiretime("k") - source.pexpiretime("k")) < 100  # type: ignore[operator]


def test_what_has_expired_meanwhile_is_left_out(source: Redis, other: Redis) -> None:
    source.set("k", "v", px=HOUR_MS)
    rows = through_a_file(contents.read_keys(source, [b"k", b"gone"], now_ms()))
    assert len(rows) == 1
    contents.write_keys(other, rows, now_ms() + 2 * HOUR_MS)
    assert other.exists("k") == 0


def test_a_stream_goes_on_with_its_ids_and_its_groups_where_they_were(source: Redis, other: Redis) -> None:
    ids = [source.xadd(ALERTS, {"alert": f"r-{n}", "price": "1.00"}, id=f"{n}-1") for n in range(1, 2_501)]
    source.xgroup_create(ALERTS, "dispatch", "0")
    read = source.xreadgroup("dispatch", "first", {ALERTS: ">"}, count=10)
    source.xack(ALERTS, "dispatch", *ids[:7])
    source.xtrim(ALERTS, maxlen=2_495, approximate=False)
    source.xdel(ALERTS, ids[-1])
    moved_stream(source, other)

    assert len(read[0][1]) == 10
    assert other.xrange(ALERTS) == source.xrange(ALERTS)
    for fact in ("last-generated-id", "entries-added", "max-deleted-entry-id", "length"):
        assert other.xinfo_stream(ALERTS)[fact] == source.xinfo_stream(ALERTS)[fact]
    (theirs,), (ours,) = source.xinfo_groups(ALERTS), other.xinfo_groups(ALERTS)
    for fact in ("name", "pending", "last-delivered-id", "entries-read", "lag"):
        assert ours[fact] == theirs[fact]
    # What was read and not acknowledged is there for whoever claims it; the next to be read is the eleventh.
    claimed = other.xautoclaim(ALERTS, "dispatch", "second", 0)[1]
    assert [entry_id for entry_id, _ in claimed] == ids[7:10]
    assert other.xreadgroup("dispatch", "second", {ALERTS: ">"}, count=1)[0][1][0][0] == ids[10]


def test_a_stream_without_entries_keeps_its_newest_id(source: Redis, other: Redis) -> None:
    source.xadd(ALERTS, {"alert": "r-1"}, id="99-5")
    source.xgroup_create(ALERTS, "dispatch", "0")
    source.xtrim(ALERTS, maxlen=0, approximate=False)
    moved_stream(source, other)
    assert other.xinfo_stream(ALERTS)["last-generated-id"] == b"99-5"
    assert other.xinfo_groups(ALERTS)[0]["last-delivered-id"] == b"0-0"
