"""The bot as a process of its own, against the sandbox's Telegram: what people write and press, and what comes back."""

import socket
from typing import Any

from redis import Redis

from stormalert.config import settings
from stormalert.model import (
    Alert,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    MuteScope,
    Role,
    Rule,
    RuleState,
    User,
)
from stormalert.notify import send_requests
from stormalert.notify.send_requests import SendKind, SendResult, SendState
from stormalert.redis import keys
from stormalert.units import HOUR_MS, now_ms
from tests.conftest import free_port
from tests.workers.fixtures import ADDRESSES, TOKEN, TWILIO_TOKEN, wait_until
from tests.workers.talk import CHAT, GROUP, INFY, MASTER_SECRET, STRANGER, Conversation
from workers.bot import webhook
from workers.bot.buttons import Press, Verb


def test_a_chat_is_linked_and_gives_orders_from_the_phone(talk: Conversation) -> None:
    talk.listening()
    assert "Linked." in talk.link()
    (channel,) = talk.store.channels_of("u1")
    assert (channel.kind, channel.address, channel.takes_alerts) == (ChannelKind.TELEGRAM, str(CHAT), True)

    assert talk.ask("/list") == "No rules yet. Make one: /add NSE:INFY rolling 2% 5m"
    assert talk.ask("/add NSE:INFY rolling up 2% 5m") == "Added as number 1: NSE:INFY rolling up 2% 5m"
    (rule,) = talk.store.rules_of("u1")
    assert (rule.user, rule.symbol, rule.percent_e2, rule.window_ms) == ("u1", "NSE:INFY", 200, 300_000)
    assert talk.ask("/add@stormalert_sandbox_bot nse:nifty 50 day 4% once").startswith("Added as number 2: NSE:NIFTY 50 day 4%")
    assert talk.ask("/add NSE:INFI day 4%") == (
        "Not understood: found no instrument 'NSE:INFI', expected one that Kite lists, such as NSE:INFY."
    )
    assert "found nothing after /add" in talk.ask("/add")
    assert talk.ask("/list") == "1. NSE:INFY rolling up 2% 5m – active\n2. NSE:NIFTY 50 day 4% once – active"

    assert talk.ask("/pause 1") == "Paused: NSE:INFY rolling up 2% 5m"
    assert talk.ask("/list").startswith("1. NSE:INFY rolling up 2% 5m – paused")
    assert talk.ask("/resume 1") == "Resumed: NSE:INFY rolling up 2% 5m"
    assert talk.ask("/delete 2") == "Deleted: NSE:NIFTY 50 day 4% once"
    assert "rule 2 was deleted" in talk.ask("/pause 2")
    assert "expected 1 to 2" in talk.ask("/pause 3")
    assert "expected a number" in talk.ask("/pause one")
    assert [it.state for it in talk.store.rules_of("u1")] == [RuleState.ACTIVE]

    status = talk.ask("/status")
    assert "Rules: 1 active, 0 paused" in status
    assert "Channels: Telegram on" in status
    assert "Silent: nothing" in status
    talk.redis.hset(keys.FEED, mapping={"state": "streaming", "instruments": "5"})
    assert "Feed: not known, ingest is not running" in talk.ask("/status")
    talk.redis.zadd(keys.BEATS, {keys.alive("ingest", "host", 1): now_ms() + HOUR_MS})
    assert "Feed: streaming, 5 instruments" in talk.ask("/status")
    assert talk.ask("/why") == "No alerts yet."
    # As it was written, not as markup.
    assert talk.ask("/<b>x</b>").startswith("/<b>x</b> is no command")
    assert talk.ask("hello") == "I take commands only. /help lists them."


def test_snoozing_by_command(talk: Conversation) -> None:
    talk.listening().link()
    talk.ask("/add NSE:INFY day 4%")
    assert talk.ask("/snooze 1h").startswith("You snoozed all alerts until")
    assert talk.ask("/snooze NSE:INFY 30m").startswith("You snoozed NSE:INFY until")
    assert talk.ask("/snooze 1").startswith("You muted the rule NSE:INFY day 4%.")
    held = {mute.scope: mute for mute in talk.store.mutes_of("u1", now_ms())}
    assert set(held) == set(MuteScope)
    assert 1_700_000 < held[MuteScope.INSTRUMENT].until_ms - now_ms() <= 1_800_000
    assert "you snoozed all alerts" in talk.ask("/status")
    assert talk.ask("/unsnooze NSE:INFY").startswith("No longer snoozed NSE:INFY")
    assert talk.ask("/unsnooze NSE:INFY") == "That was not snoozed."
    assert len(talk.ask("/unsnooze").splitlines()) == 2
    assert talk.ask("/unsnooze") == "Nothing was snoozed."
    assert "expected 1m to 720h" in talk.ask("/snooze 999h")
    assert talk.store.mutes_of("u1", now_ms()) == []


def test_numbers_mean_what_was_listed_last_whatever_came_and_went(talk: Conversation) -> None:
    talk.listening().link()
    assert "send /list first" in talk.ask("/pause 1")
    for rule_id, symbol in (("r2", "NSE:B"), ("r3", "NSE:C")):
        talk.store.save_rule(a_rule(rule_id, symbol))
    assert talk.ask("/list").startswith("1. NSE:B")
    talk.store.save_rule(a_rule("r1", "NSE:A"))
    assert talk.ask("/delete 1") == "Deleted: NSE:B day 1%"


def test_a_link_works_once_and_strangers_are_told_nothing(talk: Conversation) -> None:
    talk.listening()
    token = talk.links.make_link("u1")
    assert "Linked." in talk.ask(f"/start {token}")
    for text in ("/list", "/add NSE:INFY day 4%", "hello", "/help"):
        talk.say(text, STRANGER)
    talk.silence()
    assert talk.texts(STRANGER) == []
    assert "used already or is older" in talk.ask(f"/start {token}", STRANGER)
    for text in (f"/start {token}", "/start", "/start x"):
        talk.say(text, STRANGER)
    talk.silence()
    assert len(talk.texts(STRANGER)) == 1
    assert [it.address for it in talk.store.channels_of("u1")] == [str(CHAT)]
    assert token not in talk.log.read_text()


def test_a_group_gets_alerts_but_gives_no_orders(talk: Conversation) -> None:
    talk.listening()
    talk.link()
    token = talk.links.make_link("u1")
    talk.say(f"/start {token}", GROUP)
    wait_until(lambda: talk.texts(GROUP), 90, "the group's answer")
    talk.say("/list", GROUP)
    talk.silence(GROUP)
    assert {it.address for it in talk.store.channels_of("u1")} == {str(CHAT), str(GROUP)}


def test_the_buttons_under_an_alert_snooze_and_pause(talk: Conversation) -> None:
    talk.listening().link()
    # Longer than what fits into a button.
    rule = talk.store.save_rule(a_rule("r" * 64, "NSE:INFY"))
    (channel,) = talk.store.channels_of("u1")
    alert = send_alert(talk, rule, channel)
    message = wait_for_alert(talk)
    buttons = {it["text"]: it for it in message["raw"]["reply_markup"]["inline_keyboard"][0]}
    assert list(buttons) == ["Snooze 1 h", "Pause rule", "Chart"]
    assert buttons["Chart"]["url"].endswith("/NSE/INFY/408065")
    assert all(len(it.get("callback_data", "")) <= 64 for it in buttons.values())

    pressed = press(talk, message, "Snooze 1 h", "You snoozed NSE:INFY until")
    (mute,) = talk.store.mutes_of("u1", now_ms())
    assert (mute.scope, mute.subject) == (MuteScope.INSTRUMENT, "408065")
    assert pressed["html"].startswith("<b>")
    pressed = press(talk, pressed, "Pause rule", f"Paused: {rule.symbol}")
    assert "You snoozed" not in pressed["text"]
    paused = talk.store.rule(rule.id)
    assert paused is not None
    assert paused.state is RuleState.PAUSED
    pressed = press(talk, pressed, "Unmute", "You hear of NSE:INFY again")
    pressed = press(talk, pressed, "Resume rule", "Resumed:")
    assert talk.store.mutes_of("u1", now_ms()) == []
    assert [it["text"] for it in pressed["raw"]["reply_markup"]["inline_keyboard"][0]] == ["Snooze 1 h", "Pause rule", "Chart"]
    why = talk.ask("/why")
    assert "▲ NSE:INFY 1,384.55 · up 2.13 %" in why
    assert "Telegram sent" in why
    assert alert.id


def test_a_press_counts_only_in_the_chat_of_the_rules_owner(talk: Conversation) -> None:
    talk.listening().link()
    talk.store.save_user(User(id="u2", name="mina", password_hash="x", role=Role.MEMBER, created_ms=1))
    rule = talk.store.save_rule(a_rule("r1", "NSE:INFY"))
    talk.link(STRANGER, "u2")
    sent = talk.sandbox.outbox("telegram")[-1]
    for data in (Press.of(Verb.PAUSE, INFY.token, rule.id).data, "pause:1:x", "x", "pause:99999999999:aaaaaaaaaaaaaaaa"):
        talk.person(message_id=sent["message_id"], press=data)
    talk.silence()
    assert talk.store.rule(rule.id) == rule
    assert talk.store.mutes_of("u2", now_ms()) == []


def test_codes_and_tests_are_sent_for_the_dashboard_and_no_code_is_left_anywhere(talk: Conversation) -> None:
    talk.start()
    mail = talk.store.save_channel(
        Channel(id="mail", user="u1", kind=ChannelKind.EMAIL, address="asha@storm.example", is_verified=False)
    )
    request = run(talk, SendKind.CODE, "mail")
    assert request == SendResult(SendState.SENT)
    (message,) = talk.sandbox.outbox("email")
    code = message["subject"].rpartition(" ")[2]
    values = [value for key in talk.redis.scan_iter() for value in values_of(talk.redis, key)]
    assert not [value for value in values if code in value]
    assert "asha@storm.example" not in " ".join(values) + talk.log.read_text()
    assert code not in talk.log.read_text()
    assert run(talk, SendKind.TEST, "mail") == SendResult(SendState.FAILED, "the channel is not verified")
    talk.links.check_code(mail, code)
    talk.store.save_channel(mail.model_copy(update={"is_verified": True}))
    assert run(talk, SendKind.TEST, "mail") == SendResult(SendState.SENT)
    assert talk.sandbox.outbox("email")[-1]["subject"] == "This is a test."
    assert run(talk, SendKind.CODE, "mail") == SendResult(SendState.FAILED, "the channel is verified already")
    assert run(talk, SendKind.TEST, "nobody") == SendResult(SendState.FAILED, "the channel was removed")
    talk.store.save_channel(Channel(id="chat", user="u1", kind=ChannelKind.TELEGRAM, address=ADDRESSES[ChannelKind.TELEGRAM]))
    talk.sandbox.faults(telegram={"blocked": [ADDRESSES[ChannelKind.TELEGRAM]]})
    refused = run(talk, SendKind.TEST, "chat")
    assert refused.state is SendState.FAILED
    assert "blocked by the recipient" in refused.reason


def test_only_one_of_several_processes_asks_telegram_and_another_takes_over(talk: Conversation) -> None:
    first = talk.listening().processes[0]
    talk.start()
    wait_until(lambda: len(talk.redis.keys(keys.alive.glob("bot"))) == 2, 90, "the second process")
    talk.link()
    assert talk.log.read_text().count("listening to telegram") == 1
    assert "conflict" not in talk.log.read_text()
    first.terminate()
    assert first.wait(20) == 0
    assert "No rules yet" in talk.ask("/list")
    assert "Traceback" not in talk.log.read_text()


def test_a_second_program_on_the_same_token_is_named_as_the_trouble(talk: Conversation) -> None:
    talk.listening()
    ask = f"/bot{TOKEN}/getUpdates"

    def is_told() -> bool:
        talk.sandbox.client.get(ask, params={"timeout": 0})
        return "another program asks for this bot's updates" in talk.log.read_text()

    wait_until(is_told, 90, "noticing the other program")
    assert "Traceback" not in talk.log.read_text()
    assert talk.processes[0].poll() is None


def test_telegram_may_be_away_and_come_back(talk: Conversation) -> None:
    port = free_port()
    talk.start(STORM_TELEGRAM_API_ROOT=f"http://127.0.0.1:{port}")
    wait_until(lambda: "telegram lost" in talk.log.read_text(), 90, "noticing")
    (process,) = talk.processes
    # Codes by mail do not wait for it.
    talk.store.save_channel(Channel(id="mail", user="u1", kind=ChannelKind.EMAIL, address="asha@storm.example"))
    assert run(talk, SendKind.TEST, "mail") == SendResult(SendState.SENT)
    assert process.poll() is None
    process.terminate()
    assert process.wait(20) == 0
    assert TOKEN not in talk.log.read_text()


def test_a_refused_token_is_said_without_the_token(talk: Conversation) -> None:
    secret = "1000001:never-to-be-seen"
    talk.start(TELEGRAM_BOT_TOKEN=secret)
    wait_until(lambda: "check TELEGRAM_BOT_TOKEN" in talk.log.read_text(), 90, "the refusal")
    assert secret not in talk.log.read_text()
    assert TWILIO_TOKEN not in talk.log.read_text()


def test_without_a_token_only_send_requests_are_run(talk: Conversation) -> None:
    talk.start(TELEGRAM_BOT_TOKEN="")
    wait_until(lambda: "TELEGRAM_BOT_TOKEN is not set" in talk.log.read_text(), 90, "the sentence")
    talk.store.save_channel(Channel(id="mail", user="u1", kind=ChannelKind.EMAIL, address="asha@storm.example"))
    assert run(talk, SendKind.TEST, "mail") == SendResult(SendState.SENT)


def test_by_webhook_only_telegram_is_heard(talk: Conversation) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/from-telegram"
    talk.listening(STORM_TELEGRAM_WEBHOOK_URL=url, STORM_BOT_PORT=str(port))
    info = f"/bot{TOKEN}/getWebhookInfo"
    wait_until(lambda: talk.sandbox.client.get(info).json()["result"]["url"] == url, 90, "the webhook")
    try:
        assert "Linked." in talk.link()
        assert talk.ask("/list").startswith("No rules yet")
        update = {"update_id": 1, "message": {"message_id": 1, "date": 1, "text": "/add NSE:INFY day 4%"}}
        update["message"] |= {"chat": {"id": CHAT, "type": "private"}, "from": {"id": CHAT, "is_bot": False, "first_name": "A"}}  # type: ignore[operator]
        for headers in ({}, {"X-Telegram-Bot-Api-Secret-Token": "guessed"}):
            assert talk.sandbox.client.post(url, json=update, headers=headers).status_code == 403
        assert talk.sandbox.client.get(url).status_code == 405
        config = settings.parse({"STORM_MASTER_SECRET": MASTER_SECRET, "TELEGRAM_BOT_TOKEN": TOKEN})
        ours = {"X-Telegram-Bot-Api-Secret-Token": webhook.secret(config)}
        for body, status in ((b"{", 400), (b"[]", 400), (b"{}", 400), (b'"x"', 400), (b" " * 300_000, 413)):
            assert talk.sandbox.client.post(url, content=body, headers=ours).status_code == status
        assert talk.store.rules_of("u1") == []
    finally:
        talk.sandbox.client.get(f"/bot{TOKEN}/deleteWebhook").raise_for_status()


def test_a_webhooks_port_that_is_taken_is_said_in_one_sentence(talk: Conversation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        process = talk.start(STORM_TELEGRAM_WEBHOOK_URL="http://127.0.0.1:1/x", STORM_BOT_PORT=port)
        assert process.wait(90) == 1
    talk.sandbox.client.get(f"/bot{TOKEN}/deleteWebhook").raise_for_status()
    assert f"cannot listen on 127.0.0.1:{port} (STORM_HOST, STORM_BOT_PORT)" in talk.log.read_text()
    assert "Traceback" not in talk.log.read_text()


def test_redis_may_be_emptied_under_it(talk: Conversation) -> None:
    talk.listening().link()
    talk.redis.flushall()
    talk.store.save_channel(Channel(id="mail", user="u1", kind=ChannelKind.EMAIL, address="asha@storm.example"))
    assert run(talk, SendKind.TEST, "mail") == SendResult(SendState.SENT)
    assert "No rules yet" in talk.ask("/list")


def a_rule(rule_id: str, symbol: str) -> Rule:
    fields = {"id": rule_id, "user": "u1", "token": INFY.token, "symbol": symbol, "kind": "day", "direction": "both"}
    return Rule.model_validate(fields | {"percent_e2": 100})


def send_alert(talk: Conversation, rule: Rule, channel: Channel) -> Alert:
    """Through a worker, as dispatch would."""
    now = now_ms()
    alert = Alert(id=f"{rule.id}-1", rule=rule.id, user="u1", token=rule.token, symbol=rule.symbol, kind=rule.kind,
                  direction="up", price_e4=13_845_500, reference_e4=13_557_000, percent_e2=200, window_ms=0,
                  time_ms=now)  # fmt: skip
    talk.store.record_alert(alert)
    talk.store.save_delivery(
        Delivery(
            id=f"{alert.id}-{channel.id}",
            alert=alert.id,
            user="u1",
            channel=channel.id,
            channel_kind=channel.kind,
            state=DeliveryState.QUEUED,
            queued_ms=now - 10_000,
            updated_ms=now - 10_000,
        )
    )
    talk.start("dispatch")
    talk.start("work")
    return alert


def wait_for_alert(talk: Conversation) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [message for message in talk.sandbox.outbox("telegram") if "1,384.55" in message["text"]]

    wait_until(found, 90, "the alert's message")
    return found()[0]


def press(talk: Conversation, message: dict[str, Any], label: str, said: str) -> dict[str, Any]:
    """The message as it is after the button was pressed."""
    (data,) = [it["callback_data"] for it in message["raw"]["reply_markup"]["inline_keyboard"][0] if it["text"] == label]
    talk.person(message_id=message["message_id"], press=data)

    def changed() -> dict[str, Any]:
        return next(it for it in talk.sandbox.outbox("telegram") if it["message_id"] == message["message_id"])

    wait_until(lambda: said in changed()["text"], 90, f"the press of {label}")
    return changed()


def run(talk: Conversation, kind: SendKind, channel: str) -> SendResult:
    request = send_requests.ask(talk.redis, kind, channel)

    def outcome() -> SendResult | None:
        found = send_requests.result(talk.redis, request)
        return found if found and found.state is not SendState.WAITING else None

    wait_until(outcome, 90, f"the {kind} request")
    return outcome() or SendResult(SendState.WAITING)


def values_of(redis: Redis, key: str) -> list[str]:
    match redis.type(key):
        case "hash":
            return [key, *redis.hgetall(key).values()]
        case "stream":
            return [key, *(value for _, fields in redis.xrange(key) for value in fields.values())]
        case "string":
            return [key, redis.get(key)]
        case _:
            return [key]
