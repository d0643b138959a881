"""The relay while Redis dies, freezes or was never there, and its own end."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.redis import keys
from tests.conftest import free_port

from .listening import (
    Frame,
    Mortal,
    RelaySite,
    Stalled,
    new_alert,
    new_tokens,
    relay,
    start_relay,
    until,
    wait_until,
)

GOING_AWAY = 1001
AWAY = {"state": "unknown", "reason": "Redis does not answer"}


@pytest.fixture(scope="module")
def mortal(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    server = Mortal(tmp_path_factory.mktemp("valkey"))
    try:
        yield server
    finally:
        server.process.kill()
        server.process.wait(60)


@pytest.fixture(scope="module")
def site(mortal: Mortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelaySite]:
    with relay(mortal.url, tmp_path_factory.mktemp("relay")) as started:
        yield started
        assert started.process.poll() is None
        assert "Traceback" not in started.log.read_text()


def is_away(frame: Frame) -> bool:
    return bool(frame["status"]["feed"] == AWAY)


async def test_redis_killed_and_started_again_loses_no_alert_and_no_price(mortal: Mortal, site: RelaySite) -> None:
    known, quiet = new_tokens(2)
    user = site.user(known, quiet)
    cookie = f"{ACCESS_COOKIE}={site.session(user)}"
    site.set_quote(known, "100.00", "0.00", 1)
    async with site.page(user) as page:
        await page.next("status", where=lambda frame: not is_away(frame))
        sent = [site.write_alert(new_alert(user)).id]
        mortal.kill()
        await page.next("status", where=is_away)
        assert await site.refusal(cookie) == (503, "Redis does not answer; try again in a moment.\n")
        # Still told, again and again.
        await page.next("status", where=is_away)
        await asyncio.to_thread(mortal.start)
        with redis.Redis.from_url(mortal.url) as client, client.pipeline() as pipe:
            # What was written before the relay is back, and so was published to nobody.
            for token, last in ((known, "101.00"), (quiet, "7.00")):
                pipe.hset(keys.shard_of(token, 2).quote(token), mapping={"last": last, "change": "1.00", "time": 2})
            pipe.execute()
        sent += [site.write_alert(new_alert(user)).id for _ in range(20)]
        await page.next("status", where=lambda frame: not is_away(frame))
        while len(page.alert_ids()) < len(sent) or not _told(page.frames, quiet):
            await page.next("alert", "quotes")
        assert sorted(page.alert_ids()) == sorted(sent), "each once"
        assert _told(page.frames, known) == ["101.00", "1.00", 2] and _told(page.frames, quiet) == ["7.00", "1.00", 2]
    async with site.page(user) as page:
        assert page.frames[0]["quotes"] == {str(known): ["101.00", "1.00", 2], str(quiet): ["7.00", "1.00", 2]}
    log = site.log.read_text()
    assert (log.count("redis lost"), log.count("redis back")) == (1, 1)


def _told(frames: list[Frame], token: int) -> list[object] | None:
    """What was last told of its price after the snapshot."""
    told = [frame["quotes"][str(token)] for frame in frames[1:] if str(token) in frame.get("quotes", {})]
    return told[-1] if told else None


async def test_a_redis_that_hangs_is_told_before_the_page_gives_up(mortal: Mortal, site: RelaySite) -> None:
    # The page counts the relay itself as lost after five seconds of silence.
    user = site.user()
    async with site.page(user) as page:
        await page.next("status", where=lambda frame: not is_away(frame))
        os.kill(mortal.process.pid, signal.SIGSTOP)
        try:
            since = time.monotonic()
            await page.next("status", where=is_away)
            # With room for a busy machine; Redis' own time-out is a good deal longer.
            assert time.monotonic() - since < 10
        finally:
            os.kill(mortal.process.pid, signal.SIGCONT)
        await page.next("status", where=lambda frame: not is_away(frame))
        alert = site.write_alert(new_alert(user))
        assert (await page.next("alert"))["alert"]["id"] == alert.id


@pytest.mark.usefixtures("processes")
async def test_without_redis_it_listens_says_so_and_stops_when_told(tmp_path: Path) -> None:
    with relay(f"redis://127.0.0.1:{free_port()}/0", tmp_path) as site:
        cookie = f"{ACCESS_COOKIE}={site.session(site.user())}"
        assert await site.refusal(cookie) == (503, "Redis does not answer; try again in a moment.\n")
        site.process.terminate()
        assert await asyncio.to_thread(site.process.wait, 20) == 0
        assert "stopped" in site.log.read_text() and "Traceback" not in site.log.read_text()


async def test_it_stops_within_seconds_with_pages_open_and_one_that_does_not_read(redis_url: str, tmp_path: Path) -> None:
    with relay(redis_url, tmp_path) as site, contextlib.ExitStack() as open_sockets:
        tokens = new_tokens(2_000)
        user = site.user(*tokens)
        async with site.page(user) as page:
            open_sockets.enter_context(Stalled(site, user).socket)
            for time_ms in range(20):
                site.publish({token: ["1384.55", "-1.10", time_ms] for token in tokens})
                await page.next("quotes")
            await until(site.facts, "a heartbeat")
            site.process.send_signal(signal.SIGTERM)
            assert (await page.closed())[0] == GOING_AWAY
            assert await asyncio.to_thread(site.process.wait, 20) == 0
        assert site.facts() == {}, "the heartbeat ends with it"
        log = site.log.read_text()
        assert log.splitlines()[-1].endswith("relay: stopped") and "Traceback" not in log


def test_a_port_that_is_taken_is_one_sentence(redis_url: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = start_relay(redis_url, tmp_path, port, free_port())
        wait_until(lambda: process.poll() is not None, "the relay to give up")
    assert process.returncode == 1
    (told,) = [line for line in (tmp_path / "relay.log").read_text().splitlines() if not line.endswith("started")]
    assert told.endswith(f"relay: cannot listen on 127.0.0.1:{port} (STORM_HOST, STORM_RELAY_PORT): Address already in use")
