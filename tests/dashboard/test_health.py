import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.model import User
from stormalert.redis import keys

from .conftest import JWT_SECRET, PASSWORD, Site, away, post_login, running
from .listening import Mortal


def test_health_says_that_it_serves_and_that_redis_does(site: Site) -> None:
    with site.visitor() as visitor:
        answer = visitor.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "redis": "ok"})
    assert answer.headers["cache-control"] == "no-store"


def test_a_stranger_and_a_member_are_told_why_they_see_no_status(site: Site) -> None:
    with site.visitor() as stranger:
        answer = stranger.get("/api/admin/system-status")
        assert (answer.status_code, answer.json()["detail"]) == (401, "Sign in first.")
        assert answer.headers["content-type"] == "application/problem+json"
    with site.sign_in("mina") as member:
        answer = member.get("/api/admin/system-status")
        assert (answer.status_code, answer.json()["detail"]) == (403, "Only admins may do this.")


def test_an_admin_sees_feed_backlog_and_every_process(site: Site) -> None:
    with redis.Redis.from_url(site.redis_url) as client, site.sign_in("asha") as admin:
        client.hset(keys.FEED, mapping={"state": "streaming", "instruments": 500})
        for _ in range(3):
            client.xadd(keys.all_shards(1)[0].ticks, {"token": 1})
        key = keys.alive("ingest", "host", 7)
        client.hset(key, mapping={"beat_ms": int(time.time() * 1000), "ticks": 42})
        client.zadd(keys.BEATS, {key: int(time.time() * 1000)})
        answer = admin.get("/api/admin/system-status")
    status = answer.json()
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    assert status["feed"] == {"state": "streaming", "instruments": 500}
    assert status["waiting"] == {"ticks": 3, "alerts": 0}
    assert status["missing"] == ["evaluator", "dispatch", "worker"]
    ingest = next(process for process in status["processes"] if process["name"] == "ingest")
    assert (ingest["process"], ingest["ticks"]) == ("host-7", 42)
    assert JWT_SECRET not in json.dumps(status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_the_status_is_only_read(site: Site, method: str) -> None:
    with site.sign_in("asha") as admin:
        assert admin.request(method, "/api/admin/system-status").status_code == 405


def test_a_store_that_does_not_answer_is_a_sentence(site: Site) -> None:
    with site.sign_in("asha") as admin:
        with away(site, "users"):
            answer = admin.get("/api/admin/system-status")
        assert answer.status_code == 503
        assert "The store does not answer, so nobody can be let in; try again in a moment." in answer.text
        assert admin.get("/api/admin/system-status").status_code == 200
    assert "Traceback" not in site.log.read_text()


def test_a_store_that_another_program_locks_is_said_before_a_browser_gives_up(site: Site) -> None:
    with closing(sqlite3.connect(site.log.parent / "store.sqlite3", timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with site.visitor() as visitor:
            refused = post_login(visitor, "mina", PASSWORD)
            by_script = visitor.post("/api/auth/login", json={"name": "mina", "password": PASSWORD})
        other.execute("ROLLBACK")
    assert (refused.status_code, by_script.status_code) == (503, 503)
    sentence = "The store is locked by another program, so nobody can sign in; try again in a moment."
    assert sentence in refused.text and by_script.json()["detail"] == sentence
    with site.sign_in("mina") as member:
        assert member.get("/api/auth/me").status_code == 200


@pytest.fixture(scope="module")
def outage(processes: None, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]) -> Iterator[tuple[Site, Mortal]]:
    server = Mortal(tmp_path_factory.mktemp("valkey"))
    try:
        with running(server.url, tmp_path_factory.mktemp("away"), users) as site:
            yield site, server
    finally:
        server.process.kill()
        server.process.wait(60)


def test_health_is_well_without_redis_and_pages_say_what_is_wrong(outage: tuple[Site, Mortal]) -> None:
    site, server = outage
    session = {ACCESS_COOKIE: site.session("asha")}
    server.kill()
    with site.visitor() as visitor:
        answer = visitor.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok", "redis": "away"})
        visitor.cookies.update(session)
        refused = visitor.get("/api/admin/system-status")
        assert refused.status_code == 503
        assert "Redis does not answer, so nobody can be let in; try again in a moment." in refused.text
        server.start()
        assert visitor.get("/healthz").json()["redis"] == "ok"
        assert visitor.get("/api/admin/system-status").status_code == 200
    assert "Traceback" not in site.log.read_text()


def test_health_answers_although_redis_hangs(outage: tuple[Site, Mortal]) -> None:
    site, server = outage
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        with site.visitor() as visitor:
            since = time.monotonic()
            assert visitor.get("/healthz").json() == {"status": "ok", "redis": "away"}
            # Two seconds, with room for a busy machine; Redis' own time-out is a good deal longer.
            assert time.monotonic() - since < 10
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    with site.visitor() as visitor:
        assert visitor.get("/healthz").json()["redis"] == "ok"
