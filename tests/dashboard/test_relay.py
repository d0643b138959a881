import asyncio
import json
import socket
import sqlite3
from collections.abc import Callable, Iterator

import jwt
import pytest
import redis

from stormalert import process
from stormalert.access.sessions import ACCESS_COOKIE, REFRESH_COOKIE, Keyring
from stormalert.model import Direction, Kind, Rule, Scope
from stormalert.redis import keys
from stormalert.rules import engine
from stormalert.units import MINUTE_MS, now_ms
from tests.sessions import begin, sessions
from tests.store.records import an_alert

from .conftest import JWT_SECRET
from .listening import SHARDS, ListeningPage, RelaySite, Stalled, new_alert, new_tokens, relay, until

SIGNED_OUT, NOT_ASKED, TOO_BIG, PROTOCOL_ERROR = 4401, 1008, 1009, 1002


@pytest.fixture(scope="module")
def started(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelaySite]:
    with relay(redis_server, tmp_path_factory.mktemp("relay")) as site:
        yield site


@pytest.fixture
def site(started: RelaySite, redis_url: str) -> Iterator[RelaySite]:
    assert started.process.poll() is None, started.log.read_text()
    yield started
    assert "Traceback" not in started.log.read_text()


def forged(token: str, secret: str = JWT_SECRET, **changes: object) -> str:
    claims = jwt.decode(token, options={"verify_signature": False})
    return jwt.encode({**claims, **changes}, secret, "HS256", jwt.get_unverified_header(token))


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: "",
        lambda token: forged(token, "x" * 32),
        lambda token: forged(token, exp=1),
        lambda token: forged(token, aud="other"),
        lambda token: forged(token, sub="nobody"),
        lambda token: forged(token, sid="nobody"),
        lambda _: "a.b.c",
    ],
    ids=["none", "another secret", "expired", "another audience", "another user", "no such session", "nonsense"],
)
async def test_a_stranger_is_told_to_sign_in(site: RelaySite, forge: Callable[[str], str]) -> None:
    token = site.session(site.user())
    assert (await site.refusal(f"{ACCESS_COOKIE}={forged(token)}"))[0] == 101
    assert await site.refusal(f"{ACCESS_COOKIE}={forge(token)}") == (401, "Sign in first.\n")


async def test_an_access_token_that_ran_out_is_made_good_by_the_refresh_secret(site: RelaySite) -> None:
    begun = begin(site.store, site.redis_url, JWT_SECRET, site.user())
    expired = f"{ACCESS_COOKIE}={forged(begun.access, exp=1)}"
    assert (await site.refusal(expired))[0] == 401
    assert (await site.refusal(f"{expired}; {REFRESH_COOKIE}={begun.refresh}x"))[0] == 401
    assert (await site.refusal(f"{expired}; {REFRESH_COOKIE}={begun.refresh}"))[0] == 101


async def test_a_script_listens_with_its_token_and_without_a_page(site: RelaySite) -> None:
    user = site.store.user(site.user())
    assert user
    ours = sessions(site.store, site.redis_url, JWT_SECRET)
    token = ours.begin_script(user, "cron", "", (Scope.READ,), 60_000)

    async def status(bearer: str) -> int:
        headers = [("Authorization", f"Bearer {bearer}")]
        return (await site.refusal("", headers=headers, origin=None))[0]

    assert await status(token.access) == 101
    assert await status(f"{token.access}x") == 401
    assert await status(ours.begin(user, "", "").access) == 401
    assert await status(ours.begin_script(user, "cron", "", (Scope.ADMIN,), 60_000).access) == 401
    ours.end(token.session)
    assert await status(token.access) == 401


async def test_a_session_that_was_signed_out_is_a_strangers(site: RelaySite) -> None:
    session = site.session(site.user())
    revoke(site, session)
    assert (await site.refusal(f"{ACCESS_COOKIE}={session}"))[0] == 401


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://127.0.0.1:1",
        "https://127.0.0.1:{port}",
        "http://localhost:{port}",
        "null",
        "http://[",
        None,
    ],
)
async def test_only_the_dashboards_own_pages_may_listen(site: RelaySite, origin: str | None) -> None:
    cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
    refusal = await site.refusal(cookie, origin=origin.format(port=site.page_port) if origin else None)
    assert refusal == (403, "Only StormAlert's own pages may listen; see STORM_ORIGINS.\n")
    assert await site.refusal(cookie) == (101, "")


async def test_two_origins_are_none(site: RelaySite) -> None:
    cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
    assert (await site.refusal(cookie, headers=[("Origin", "https://evil.example")]))[0] == 403


async def test_another_address_is_not_found_whoever_asks(site: RelaySite) -> None:
    cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
    assert await site.refusal(cookie, "/other") == (404, "Live data is at /ws.\n")
    assert (await site.refusal("", "/"))[0] == 404
    assert (await site.refusal(cookie, "/ws?again=1"))[0] == 101


async def test_the_session_is_found_beside_any_other_cookie_of_the_host(site: RelaySite) -> None:
    session = f"{ACCESS_COOKIE}={site.session(site.user())}"
    assert (await site.refusal(f'layout={{"open": [1, "a"]}}; odd; a[b]=c; {session}'))[0] == 101


async def test_a_store_that_does_not_answer_is_a_sentence_and_not_for_ever(site: RelaySite) -> None:
    cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
    with sqlite3.connect(site.log.parent / "store.sqlite3", timeout=60) as broken:
        broken.execute("ALTER TABLE users RENAME TO users_away")
        broken.commit()
        try:
            assert await site.refusal(cookie) == (503, "The store does not answer; try again in a moment.\n")
        finally:
            broken.execute("ALTER TABLE users_away RENAME TO users")
            broken.commit()
    broken.close()
    assert (await site.refusal(cookie))[0] == 101


async def test_the_snapshot_merges_store_and_stream_newest_first_for_this_user_only(site: RelaySite) -> None:
    mine, other = site.user(), site.user()
    stored, both, streamed = (new_alert(mine, time_ms=time_ms) for time_ms in (1_000, 2_000, 3_000))
    site.store.record_alert(stored)
    site.store.record_alert(both)
    site.store.record_alert(new_alert(other))
    async with site.page(mine) as early:
        for alert in (streamed, both, new_alert(other)):
            site.write_alert(alert)
        await early.next("alert", where=lambda frame: frame["alert"]["id"] == streamed.id)
        await early.next("alert", where=lambda frame: frame["alert"]["id"] == both.id)
    async with site.page(mine) as page:
        assert [alert["id"] for alert in page.frames[0]["alerts"]] == [streamed.id, both.id, stored.id]


async def test_the_snapshot_holds_the_newest_fifty(site: RelaySite) -> None:
    user = site.user()
    for time_ms in range(1, 61):
        site.store.record_alert(new_alert(user, time_ms=time_ms))
    async with site.page(user) as page:
        assert [alert["time_ms"] for alert in page.frames[0]["alerts"]] == list(range(60, 10, -1))


async def test_an_alert_is_told_as_the_page_shows_it(site: RelaySite) -> None:
    user = site.user()
    async with site.page(user) as page:
        prices = {"price_e4": 12_345_678_000, "reference_e4": 12_500_000_000}
        alert = site.write_alert(an_alert("r7-7", user=user, percent_e2=110, time_ms=1_000, **prices))
        told = (await page.next("alert"))["alert"]
        site.write_alert(an_alert("r8-8", rule=f"r8_{alert.token}", user=user, percent_e2=110))
        of_watchlist = (await page.next("alert"))["alert"]
    assert (of_watchlist["rule"], of_watchlist["is_of_watchlist"]) == ("r8", True)
    assert told == {
        "id": alert.id,
        "rule": alert.owners_rule,
        "is_of_watchlist": False,
        "token": alert.token,
        "symbol": "NSE:INFY",
        "direction": "down",
        "what": "Fell 1.23 % from its peak",
        "price": "₹12,34,567.80",
        "reference": "₹12,50,000.00",
        "time_ms": 1_000,
    }


async def test_alerts_of_every_shard_reach_their_user_and_nobody_else(site: RelaySite) -> None:
    mine, other = site.user(), site.user()
    tokens = {keys.shard_of(token, SHARDS).tag: token for token in range(1, 20)}
    assert len(tokens) == SHARDS
    async with site.page(mine) as page, site.page(mine) as second_tab, site.page(other) as others:
        for token in tokens.values():
            site.write_alert(new_alert(other, token=token))
        sent = {site.write_alert(new_alert(mine, token=token)).id for token in tokens.values()}
        for tab in (page, second_tab):
            assert {(await tab.next("alert"))["alert"]["id"] for _ in sent} == sent
        for _ in tokens:
            assert (await others.next("alert"))["alert"]["id"] not in sent


async def test_an_entry_that_is_no_alert_is_passed_over(site: RelaySite) -> None:
    user = site.user()
    async with site.page(user) as page:
        with redis.Redis.from_url(site.redis_url) as client:
            client.xadd(keys.all_shards(SHARDS)[0].alerts, {"alert": "x", "user": user})
        alert = site.write_alert(new_alert(user))
        assert (await page.next("alert"))["alert"]["id"] == alert.id


async def test_the_snapshot_holds_the_quotes_of_the_watchlist_only(site: RelaySite) -> None:
    quoted, published, unquoted, other = new_tokens(4)
    user = site.user(quoted, published, unquoted)
    site.set_quote(quoted, "1384.55", "-1.10", 1_700_000_000_000)
    site.set_quote(other, "1.00", "0.00", 1)
    async with site.page(user) as page:
        assert page.frames[0]["quotes"] == {str(quoted): ["1384.55", "-1.10", 1_700_000_000_000]}
        site.publish({published: ["7.00", "0.50", 2], other: ["2.00", "0.00", 2]})
        await page.next("quotes")
    async with site.page(user) as page:
        assert page.frames[0]["quotes"] == {
            str(quoted): ["1384.55", "-1.10", 1_700_000_000_000],
            str(published): ["7.00", "0.50", 2],
        }


async def test_what_changed_comes_in_one_frame_with_the_watchlists_tokens_only(site: RelaySite) -> None:
    first, second, other = new_tokens(3)
    user, neighbour = site.user(first, second), site.user(other)
    async with site.page(user) as page, site.page(user) as second_tab, site.page(neighbour) as others:
        site.publish({other: ["9.00", "0.00", 1]})
        site.publish({first: ["1.00", "0.10", 2], other: ["9.50", "0.00", 2], second: ["2.00", "-0.10", 2]})
        expected = {"type": "quotes", "quotes": {str(first): ["1.00", "0.10", 2], str(second): ["2.00", "-0.10", 2]}}
        assert await page.next("quotes") == expected
        assert await second_tab.next("quotes") == expected
        assert [(await others.next("quotes"))["quotes"] for _ in range(2)] == [
            {str(other): ["9.00", "0.00", 1]},
            {str(other): ["9.50", "0.00", 2]},
        ]


async def test_the_status_comes_each_second_and_with_the_snapshot_without_hosts(site: RelaySite) -> None:
    user = site.user()
    with redis.Redis.from_url(site.redis_url) as client:
        ingest = keys.alive("ingest", "host", 1)
        client.hset(ingest, "beat_ms", now_ms())
        client.zadd(keys.BEATS, {ingest: now_ms() + MINUTE_MS})
        client.hset(keys.FEED, mapping={"state": "streaming", "instruments": 500})
    async with site.page(user) as page:
        told = await page.next(
            "status", where=lambda frame: frame["status"]["feed"] == {"state": "streaming", "instruments": 500}
        )
        again = await page.next("status")
    assert set(told["status"]) == {"time_ms", "feed", "waiting", "missing", "session", "figures", "health"}
    assert 500 <= again["status"]["time_ms"] - told["status"]["time_ms"] <= 5_000
    async with site.page(user) as page:
        assert page.frames[0]["status"]["feed"] == {"state": "streaming", "instruments": 500}


async def test_nothing_but_the_protocols_frames_is_sent(site: RelaySite) -> None:
    (token,) = new_tokens(1)
    user = site.user(token)
    async with site.page(user) as page:
        site.publish({token: ["1.00", "0.00", 1]})
        site.write_alert(new_alert(user))
        for kind in ("quotes", "alert", "status"):
            if kind not in {frame["type"] for frame in page.frames}:
                await page.next(kind)
    shapes = {
        "snapshot": {"type", "at", "status", "alerts", "quotes", "trends", "triggers"},
        "quotes": {"type", "quotes"},
        "alert": {"type", "alert", "at"},
        "status": {"type", "status", "at"},
    }
    assert [set(frame) for frame in page.frames] == [shapes[frame["type"]] for frame in page.frames]
    assert [frame["type"] for frame in page.frames].count("snapshot") == 1


async def test_who_comes_back_is_told_every_alert_since(site: RelaySite) -> None:
    user, other = site.user(), site.user()
    async with site.page(user) as page:
        known = site.write_alert(new_alert(user)).id
        while (await page.next("alert"))["alert"]["id"] != known:
            pass
        at = page.frames[0]["at"] | (await page.next("status"))["at"]
    # More than a snapshot shows, in every shard, and none of them recorded.
    missed = [site.write_alert(new_alert(user)).id for _ in range(120)]
    site.write_alert(new_alert(other))
    after = ",".join(f"{tag}:{entry}" for tag, entry in at.items())
    async with site.page(user, query=f"?after={after}") as page:
        told = page.alert_ids()
        assert len(told) == len(set(told))
        assert set(missed) <= set(told)
        newest = site.write_alert(new_alert(user)).id
        assert (await page.next("alert"))["alert"]["id"] == newest
    async with site.page(user) as page:
        assert len(page.alert_ids()) == 50


async def test_a_page_gets_the_topics_and_instruments_that_it_asks_for(site: RelaySite) -> None:
    watched, asked_for = new_tokens(2)
    user = site.user(watched)
    async with site.page(user, query=f"?topics=quotes&tokens={asked_for}") as page, site.page(user) as whole:
        assert set(page.frames[0]) == {"type", "at", "quotes", "trends"}
        site.write_alert(new_alert(user))
        await whole.next("alert")
        await whole.next("status")
        site.publish({watched: ["1.00", "0.00", 1], asked_for: ["2.00", "0.00", 1]})
        assert (await page.next())["quotes"] == {str(asked_for): ["2.00", "0.00", 1]}


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("topics=all", "topics are status, alerts, quotes, triggers, was 'all'"),
        ("tokens=INFY", "tokens are at most 500 whole numbers"),
        ("after=yesterday", "after is a shard and the id of an entry, such as s0:1700000000000-0"),
        ("&".join(["topics=status"] * 11), "the address cannot be read: Max number of fields exceeded"),
    ],
)
async def test_what_cannot_be_asked_for_is_said(site: RelaySite, query: str, told: str) -> None:
    cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
    assert await site.refusal(cookie, f"/ws?{query}") == (400, f"{told}\n")


async def test_the_snapshot_shows_how_prices_went(site: RelaySite) -> None:
    known, unknown = new_tokens(2)
    with redis.Redis.from_url(site.redis_url) as client:
        for minute in range(1, 71):
            fields = {"open": "1", "high": "9", "low": "1", "close": f"{minute}.50"}
            client.xadd(keys.shard_of(known, SHARDS).bars(known), fields, id=f"{minute * 60_000}-0")
    async with site.page(site.user(known, unknown)) as page:
        assert page.frames[0]["trends"] == {str(known): [minute + 0.5 for minute in range(11, 71)]}


async def test_a_users_nearest_triggers_are_told_and_nobody_elses(site: RelaySite) -> None:
    (token,) = new_tokens(1)
    mine, other = site.user(token), site.user(token)
    shard = keys.shard_of(token, SHARDS)
    async with process.connect(site.redis_url) as client, site.page(mine) as page:
        for name, user, direction, percent_e2 in (("a", mine, "up", 200), ("b", mine, "up", 100), ("c", other, "down", 50)):
            rule = Rule(
                id=f"{name}{token}", user=user, token=token, symbol="NSE:X", kind=Kind.ROLLING, direction=Direction(direction),
                percent_e2=percent_e2, window_ms=60_000, revision=1,
            )  # fmt: skip
            await engine.arm(shard, rule).run(client)
        await client.xadd(shard.ticks, {"token": token, "price": "100.00", "time": 1_000})
        await engine.evaluate(shard, count=10, hold_ms=100, burst=10).run(client)
        frame = await page.next("triggers")
        assert frame["triggers"] == {str(token): [["up", "101.00", "up 1% 1m"]]}
        async with site.page(mine) as late:
            assert late.frames[0]["triggers"] == frame["triggers"]


async def test_an_alert_that_is_written_while_a_page_connects_is_never_missed(site: RelaySite) -> None:
    user = site.user(*new_tokens(20))
    alerts = [new_alert(user) for _ in range(48)]
    ids = {alert.id for alert in alerts}
    seen: set[str] = set()
    connected: list[ListeningPage] = []

    async def write() -> None:
        for place, alert in enumerate(alerts):
            # Not all before the first is connected: some pages are to begin early, some late.
            while len(connected) < place - 10:
                await asyncio.sleep(0.001)
            await asyncio.to_thread(site.write_alert, alert)
            if place % 3 == 0:
                # Dispatch is somewhat behind.
                await asyncio.to_thread(site.store.record_alert, alerts[place // 2])

    async def connect_and_collect(after: int) -> None:
        while len(seen) < after:
            await asyncio.sleep(0.001)
        async with site.page(user) as page:
            connected.append(page)
            while not ids <= set(page.alert_ids()):
                await page.next("alert")

    async with site.page(user) as first, asyncio.TaskGroup() as group:
        group.create_task(write())
        for place in range(40):
            group.create_task(connect_and_collect(place))
        while len(seen) < len(ids):
            seen.add((await first.next("alert"))["alert"]["id"])
    assert seen == ids
    assert [sorted(page.alert_ids()) for page in connected] == [sorted(ids)] * 40, "each once"
    known_at_first = sorted(len(page.frames[0]["alerts"]) for page in connected)
    assert known_at_first[0] <= 12 and known_at_first[-1] >= 39


def revoke(site: RelaySite, session: str) -> None:
    """As signing out does."""
    read = Keyring(JWT_SECRET).read(session)
    found = site.store.session(read["sid"]) if read else None
    assert found
    sessions(site.store, site.redis_url, JWT_SECRET).end(found)


async def test_all_who_come_back_at_the_same_moment_are_let_in(site: RelaySite) -> None:
    # More than the 100 connections that a client of Redis opens.
    cookie = f"{ACCESS_COOKIE}={site.session(site.user(*new_tokens(5)))}"

    async def come() -> str:
        async with site.connecting(cookie) as connection:
            return str(json.loads(await connection.recv())["type"])

    assert await asyncio.gather(*(come() for _ in range(150))) == ["snapshot"] * 150


async def test_signing_out_ends_the_page_and_so_does_the_end_of_the_session(site: RelaySite) -> None:
    user = site.user()
    signed_out, ends = site.session(user), begin(site.store, site.redis_url, JWT_SECRET, user)
    site.store.save_session(ends.session.model_copy(update={"expires_ms": now_ms() + 6_000}))
    expiring = ends.access
    async with site.page(user, signed_out) as first, site.page(user, expiring) as second, site.page(user) as staying:
        revoke(site, signed_out)
        closing = asyncio.gather(first.closed(), second.closed())
        while not closing.done():
            await staying.next()
        assert await closing == [(SIGNED_OUT, "signed out")] * 2
        alert = site.write_alert(new_alert(user))
        assert (await staying.next("alert"))["alert"]["id"] == alert.id


async def test_a_page_that_does_not_read_is_dropped_and_the_others_go_on(site: RelaySite) -> None:
    tokens = new_tokens(2_000)
    user = site.user(*tokens)
    async with site.page(user) as page:
        session = site.session(user)
        stalled = Stalled(site, user, session)
        await until(site.facts, "the first heartbeat")
        dropped = int(site.facts().get("dropped", 0))
        told = 0
        for time_ms in range(1, 1_000):
            site.publish({token: ["1384.55", "-1.10", time_ms] for token in tokens})
            frame = await page.next("quotes")
            told += len(json.dumps(frame, separators=(",", ":")))
            assert frame["quotes"][str(tokens[0])] == ["1384.55", "-1.10", time_ms]
            if f"slow listener dropped user={user}" in site.log.read_text():
                break
            await asyncio.sleep(0.05)
        await until(lambda: int(site.facts()["dropped"]) == dropped + 1, "the drop to be counted")
        assert site.facts()["listeners"] == "1"
        site.publish({tokens[0]: ["9.99", "0.00", 9_999]})
        assert (await page.next("quotes"))["quotes"] == {str(tokens[0]): ["9.99", "0.00", 9_999]}
        async with site.page(user, session) as again, site.page(user, session) as once_more:
            assert "did not read" in again.frames[0]["dropped"]
            assert "dropped" not in once_more.frames[0]
        with stalled.socket:
            heard = await asyncio.to_thread(_all_of, stalled.socket, until_silent=True)
        # What had left already; the rest was thrown away and not kept for it.
        assert b'"9.99"' not in heard and len(heard) < told


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("hello", (NOT_ASKED, "only the relay speaks")),
        (json.dumps({"type": "snapshot"}), (NOT_ASKED, "only the relay speaks")),
        (b"\x00\xff", (NOT_ASKED, "only the relay speaks")),
        ("x" * 2_000, (TOO_BIG, None)),
    ],
    ids=["text", "a frame of ours", "bytes", "too much"],
)
async def test_a_page_that_speaks_is_closed_without_harm_to_others(
    site: RelaySite, said: str | bytes, end: tuple[int, str | None]
) -> None:
    user = site.user()
    async with site.page(user) as quiet, site.page(user) as speaking:
        await speaking.connection.send(said)
        code, reason = await speaking.closed()
        assert code == end[0] and reason == (end[1] or reason)
        alert = site.write_alert(new_alert(user))
        assert (await quiet.next("alert"))["alert"]["id"] == alert.id


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x81\x05hello", b"\x83\x80\x00\x00\x00\x00"])
async def test_what_is_no_websocket_frame_ends_that_connection_only(site: RelaySite, garbage: bytes) -> None:
    user = site.user()
    async with site.page(user) as quiet:
        broken = Stalled(site, user)
        broken.socket.sendall(garbage)
        with broken.socket:
            heard = await asyncio.to_thread(_all_of, broken.socket)
        # A closing frame with its code is the last thing said.
        assert heard[-60:].find(PROTOCOL_ERROR.to_bytes(2, "big")) >= 0
        alert = site.write_alert(new_alert(user))
        assert (await quiet.next("alert"))["alert"]["id"] == alert.id


@pytest.mark.parametrize(
    "request_text", [b"\x16\x03\x01\x02\x00\x01", b"GET /ws HTTP/1.1\r\nHost: [\r\n\r\n", b"POST /ws HTTP/1.1\r\n\r\n", b""]
)
async def test_what_is_no_handshake_is_answered_or_dropped(site: RelaySite, request_text: bytes) -> None:
    with socket.create_connection(("127.0.0.1", site.port), timeout=10) as probe:
        probe.sendall(request_text)
        probe.shutdown(socket.SHUT_WR)
        heard = await asyncio.to_thread(_all_of, probe)
    assert heard == b"" or heard.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 426")), heard
    assert (await site.refusal(f"{ACCESS_COOKIE}={site.session(site.user())}"))[0] == 101


def _all_of(connection: socket.socket, *, until_silent: bool = False) -> bytes:
    """Up to the end. After long stalling it may wait for a try of the kernel's, minutes away: silence will do then."""
    heard = b""
    try:
        while part := connection.recv(65_536):
            heard += part
    except ConnectionResetError:
        pass
    except TimeoutError:
        if not until_silent:
            raise
    return heard


def test_a_log_holds_no_session(started: RelaySite) -> None:
    text = started.log.read_text()
    assert "started" in text and "eyJ" not in text
