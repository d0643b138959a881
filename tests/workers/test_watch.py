"""Admins are told of what is wrong through the bot's process and the sandbox's providers: once, and once that it is over."""

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stormalert.config import overrides, settings
from stormalert.health.facts import Tries
from stormalert.model import Channel, ChannelKind, Role, User
from stormalert.notify import alarms
from stormalert.redis import keys
from stormalert.units import HOUR_MS, MINUTE_MS, now_ms
from tests.ops.doctor.conftest import Speaker, certificate
from tests.store.away import away
from tests.workers.fixtures import ADDRESSES, TOKEN, wait_until
from tests.workers.talk import CHAT, Conversation
from workers.bot.watch import lately

MEMBERS_CHAT = 555_000
LOOKS_S = 7.0


@pytest.fixture
def admin(talk: Conversation) -> Conversation:
    """Somebody with a chat and an address, and a member with a chat."""
    talk.store.save_user(User(id="a1", name="ravi", password_hash="x", role=Role.ADMIN, created_ms=1))
    chats = {"admins": ("a1", str(CHAT)), "members": ("u1", str(MEMBERS_CHAT))}
    for channel, (user, address) in chats.items():
        talk.store.save_channel(Channel(id=channel, user=user, kind=ChannelKind.TELEGRAM, address=address))
    mail = Channel(id="mail", user="a1", kind=ChannelKind.EMAIL, address=ADDRESSES[ChannelKind.EMAIL])
    talk.store.save_channel(mail)
    talk.store.save_channel(mail.model_copy(update={"id": "unproven", "address": "x@storm.example", "is_verified": False}))
    beat(talk, "ingest", "evaluator")
    return talk


def beat(talk: Conversation, *processes: str) -> None:
    """As processes do that will be alive for an hour."""
    for process in processes:
        key = keys.alive(process, "host", 1)
        talk.redis.hset(key, "beat_ms", now_ms())
        talk.redis.zadd(keys.BEATS, {key: now_ms() + HOUR_MS})


def feed(talk: Conversation, state: str, since_ms: int) -> None:
    talk.redis.hset(keys.FEED, mapping={"state": state, "reason": "no frame", "since_ms": since_ms, "opens_ms": 0})


def headlines(talk: Conversation) -> list[str]:
    return [text.splitlines()[0] for text in talk.texts()]


def wait_for_looks() -> None:
    """As long as two looks take: what would be told again would be told by then."""
    time.sleep(LOOKS_S)


def let_a_minute_pass(talk: Conversation) -> None:
    """For what is in somebody's hands."""
    group = keys.SEND_REQUESTS_GROUP

    def pending() -> list[Any]:
        return list(talk.redis.xpending_range(keys.SEND_REQUESTS, group, "-", "+", 10))

    # What went out is acknowledged a moment later.
    wait_until(lambda: len(pending()) == 1, 90, "the rest being acknowledged")
    (entry,) = pending()
    talk.redis.xclaim(keys.SEND_REQUESTS, group, entry["consumer"], 0, [entry["message_id"]], idle=60_000, retrycount=1)


DOWN, BACK = "⚠ No prices come: no frame", "✓ The feed is back after 5 min"


def test_what_is_wrong_is_told_to_admins_once_and_once_that_it_is_over(admin: Conversation) -> None:
    began_ms = now_ms() - 10 * MINUTE_MS
    feed(admin, "stale", began_ms)
    admin.listening()
    wait_until(lambda: headlines(admin) == [DOWN], 90, "the notice")
    # Another process takes over, and what was told is known.
    admin.processes[0].terminate()
    admin.processes[0].wait(60)
    admin.start()
    admin.start()
    wait_for_looks()
    assert headlines(admin) == [DOWN]
    feed(admin, "streaming", began_ms + 5 * MINUTE_MS)
    wait_until(lambda: headlines(admin) == [DOWN, BACK], 90, "the end")
    # Another channel's message may take its time.
    wait_until(lambda: len(admin.sandbox.outbox("email")) == 2, 90, "both by e-mail")
    wait_for_looks()
    assert headlines(admin) == [DOWN, BACK]
    assert [mail["subject"] for mail in admin.sandbox.outbox("email")] == [DOWN, BACK]
    assert {mail["to"] for mail in admin.sandbox.outbox("email")} == {ADDRESSES[ChannelKind.EMAIL]}
    assert admin.texts(MEMBERS_CHAT) == []


def test_a_notice_that_a_provider_refuses_for_now_goes_out_later(admin: Conversation) -> None:
    admin.sandbox.faults(telegram={"server_error": 1.0})
    alarms.raise_alarm(admin.store, ChannelKind.WHATSAPP, "the account is suspended")
    admin.start()
    wait_until(lambda: admin.sandbox.outbox("email"), 90, "the notice by mail")
    wait_until(lambda: "notice put off" in admin.log.read_text(), 90, "the failed try")
    assert headlines(admin) == []
    admin.sandbox.faults(telegram={"server_error": 0.0})
    let_a_minute_pass(admin)
    wait_until(lambda: headlines(admin) == ["⚠ WhatsApp takes no messages from us"], 90, "the notice by Telegram")
    assert len(admin.sandbox.outbox("email")) == 1


def test_a_process_that_stops_beating_is_missed(admin: Conversation) -> None:
    # Nobody has looked yet, so that it would be timed from the first look on: an earlier one saw it an hour ago.
    admin.redis.sadd(keys.ROLL, "dispatch")
    began_ms = now_ms() - HOUR_MS
    seen = f'{{"since_ms": {began_ms}, "over": "dispatch is running again", "seen_ms": {now_ms()}}}'
    admin.redis.hset(keys.NOTICES, "missing-dispatch", seen)
    admin.start()
    wait_until(lambda: headlines(admin) == ["⚠ dispatch is not running: alerts do not become messages"], 90, "the notice")


STORE_AWAY = "⚠ The store does not answer: nobody can sign in, and messages wait"


def test_of_a_store_that_is_away_admins_are_told_without_it(admin: Conversation, tmp_path: Path) -> None:
    admin.listening()
    wait_until(lambda: admin.redis.get(keys.LAST_KNOWN), 90, "what is known of the admins")
    with away(tmp_path / "store.sqlite3", "users", "channels", "deliveries", "settings"):
        wait_until(lambda: headlines(admin) == [STORE_AWAY], 90, "the notice by Telegram")
        wait_until(lambda: admin.sandbox.outbox("email"), 90, "the notice by mail")
    wait_until(lambda: len(headlines(admin)) == 2, 90, "the end")
    assert headlines(admin)[1].startswith("✓ The store answers again after ")
    assert next(mail["to"] for mail in admin.sandbox.outbox("email")) == ADDRESSES[ChannelKind.EMAIL]
    assert admin.texts(MEMBERS_CHAT) == [] and admin.processes[0].poll() is None


def test_a_bot_that_starts_while_the_store_is_away_tells_it_with_what_an_earlier_one_knew(
    admin: Conversation, tmp_path: Path
) -> None:
    # A token that counts in the place of the environment's.
    config = settings.parse(admin.environment)
    overrides.save(config, admin.store, "TELEGRAM_BOT_TOKEN", TOKEN)
    admin.environment |= {"TELEGRAM_BOT_TOKEN": "1:of-another-bot"}
    admin.start()
    wait_until(lambda: admin.redis.get(keys.LAST_KNOWN), 90, "what is known of the admins")
    admin.processes[0].terminate()
    admin.processes[0].wait(60)
    kept = str(admin.redis.get(keys.LAST_KNOWN))
    assert str(CHAT) not in kept and TOKEN not in kept and ADDRESSES[ChannelKind.EMAIL] not in kept
    # Its folder is none.
    folder = tmp_path / "unmounted"
    folder.write_text("")
    admin.start(STORM_SQLITE_PATH=str(folder / "store.sqlite3"))
    wait_until(lambda: headlines(admin) == [STORE_AWAY], 90, "the notice")
    assert admin.log.read_text().count("begun without the store") == 1


def test_a_certificate_that_is_not_renewed_is_told(admin: Conversation, tmp_path: Path) -> None:
    with Speaker() as server:
        context = certificate(tmp_path, datetime.now(UTC) + timedelta(days=5, hours=1))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        admin.listening(STORM_PUBLIC_URL=f"https://127.0.0.1:{server.port}")
        wait_until(lambda: "⚠ The dashboard's certificate ends in 5 days" in headlines(admin), 90, "the notice")
        server.shutdown()


@pytest.mark.parametrize(
    ("looks", "tries"),
    [
        # Taken and refused since the process began, look by look.
        ([(0, 0), (2, 9)], Tries(2, 9)),
        ([(0, 0), (2, 9), (6, 9)], Tries(6, 9)),
        ([(0, 0), (2, 9), (7, 9)], Tries(5, 0)),
        ([(0, 0), (2, 9), (7, 9), (7, 10)], Tries(7, 10)),
    ],
)
def test_a_providers_trouble_is_over_when_enough_went_out_since_its_last_refusal(
    looks: list[tuple[int, int]], tries: Tries
) -> None:
    counted = [{"host-1": {"telegram_taken": taken, "telegram_refused": refused}} for taken, refused in looks]
    assert lately(ChannelKind.TELEGRAM, counted) == tries
