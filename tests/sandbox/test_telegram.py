"""The real python-telegram-bot against the stand-in."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter, TelegramError, TimedOut

CHAT = 1001
TOKEN = "1000001:sandbox-telegram-token"


@pytest.fixture
async def bot(sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bot]:
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    async with Bot(TOKEN, base_url=f"{sandbox.http}/bot") as bot:
        yield bot


async def person(sandbox: Any, **body: Any) -> None:
    status, answer = await asyncio.to_thread(sandbox.call, "POST", "/control/telegram", body)
    assert status == 200, answer


async def test_a_message_lands_in_the_outbox(sandbox: Any, bot: Bot) -> None:
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("Snooze", callback_data="snooze:1")]])
    sent = await bot.send_message(CHAT, "<b>INFY</b> &gt; ₹1,540", parse_mode="HTML", reply_markup=buttons)
    assert sent.text == "INFY > ₹1,540"
    (message,) = sandbox.outbox("telegram")
    assert (message["to"], message["text"], message["message_id"]) == ("1001", "INFY > ₹1,540", sent.message_id)
    assert message["raw"]["parse_mode"] == "HTML"
    assert sandbox.outbox("telegram", since=message["id"]) == []


async def test_a_message_can_be_edited_but_not_into_itself(sandbox: Any, bot: Bot) -> None:
    sent = await bot.send_message(CHAT, "first")
    await sent.edit_text("second")
    assert [message["text"] for message in sandbox.outbox()] == ["second"]
    with pytest.raises(BadRequest, match="not modified"):
        await sent.edit_text("second")
    with pytest.raises(BadRequest, match="not found"):
        await bot.edit_message_text("x", CHAT, 1)


@pytest.mark.parametrize(
    ("chat", "text", "reason"),
    [
        ("somebody", "x", "Chat not found"),
        (CHAT, " ", "text is empty"),
        (CHAT, "x" * 4097, "too long"),
        (CHAT, "<table>", 'unsupported start tag "table"'),
    ],
)
async def test_what_telegram_refuses_is_a_bad_request(bot: Bot, chat: int | str, text: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        await bot.send_message(chat, text, parse_mode="HTML")


async def test_button_data_has_at_most_64_bytes(bot: Bot) -> None:
    buttons = InlineKeyboardMarkup([[InlineKeyboardButton("x", callback_data="₹" * 22)]])
    with pytest.raises(BadRequest):
        await bot.send_message(CHAT, "x", reply_markup=buttons)


async def test_a_wrong_token_is_refused(sandbox: Any) -> None:
    stranger = Bot("1000001:wrong", base_url=f"{sandbox.http}/bot")
    with pytest.raises(InvalidToken):
        await stranger.initialize()
    await stranger.shutdown()


async def test_long_polling_brings_what_people_write_and_press(sandbox: Any, bot: Bot) -> None:
    sent = await bot.send_message(CHAT, "alert")
    waiting = asyncio.create_task(bot.get_updates(timeout=10))
    await person(sandbox, chat_id=CHAT, text="/start abc", name="Asha")
    (update,) = await waiting
    assert update.message is not None
    assert (update.message.text, update.message.chat.id) == ("/start abc", CHAT)
    await person(sandbox, message_id=sent.message_id, press="snooze")
    (pressed,) = await bot.get_updates(offset=update.update_id + 1)
    assert pressed.callback_query is not None
    assert pressed.callback_query.data == "snooze"
    assert await pressed.callback_query.answer("done")
    assert await bot.get_updates(offset=pressed.update_id + 1) == ()


async def test_a_webhook_is_called_with_its_secret(sandbox: Any, bot: Bot) -> None:
    calls: list[tuple[str, bytes]] = []

    class UpdateReceiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            calls.append((self.headers["X-Telegram-Bot-Api-Secret-Token"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), UpdateReceiver) as server:
        Thread(target=server.handle_request, daemon=True).start()
        await bot.set_webhook(f"http://127.0.0.1:{server.server_port}/hook", secret_token="shh")
        try:
            with pytest.raises(Conflict):
                await bot.get_updates()
            await person(sandbox, chat_id=CHAT, text="hello")
        finally:
            await bot.delete_webhook()
    assert calls[0][0] == "shh"
    assert b"hello" in calls[0][1]


async def test_blocked_and_limited_as_telegram_says_it(sandbox: Any, bot: Bot) -> None:
    sandbox.fault(telegram={"blocked": [str(CHAT)]})
    with pytest.raises(Forbidden, match="blocked by the user"):
        await bot.send_message(CHAT, "x")
    sandbox.fault(telegram={"blocked": [], "too_many": 1.0, "retry_after_s": 7})
    with pytest.raises(RetryAfter) as limited:
        await bot.send_message(CHAT, "x")
    assert limited.value.retry_after == timedelta(seconds=7)
    sandbox.fault(telegram={"too_many": 0.0, "server_error": 1.0})
    with pytest.raises(TelegramError):
        await bot.send_message(CHAT, "x")
    assert sandbox.outbox() == []


async def test_a_lost_reply_leaves_the_message_in_the_outbox_and_a_time_out_does_not(sandbox: Any, bot: Bot) -> None:
    sandbox.fault(telegram={"lost_reply": 1.0})
    with pytest.raises(TimedOut):
        await bot.send_message(CHAT, "kept", read_timeout=1.5)
    sandbox.fault(telegram={"lost_reply": 0.0, "time_out": 1.0})
    with pytest.raises(TimedOut):
        await bot.send_message(CHAT, "gone", read_timeout=1.5)
    assert [message["text"] for message in sandbox.outbox()] == ["kept"]


async def test_a_group_that_became_a_supergroup_names_its_new_chat(sandbox: Any, bot: Bot) -> None:
    sandbox.fault(telegram={"migrated": {"-42": -1001}})
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(-42, "x")
    assert moved.value.new_chat_id == -1001
    assert (await bot.send_message(-1001, "x")).chat.id == -1001


async def test_two_programs_that_ask_for_updates_are_in_conflict(sandbox: Any, bot: Bot) -> None:
    async with Bot("1000001:sandbox-telegram-token", base_url=f"{sandbox.http}/bot") as other:
        first = asyncio.create_task(bot.get_updates(timeout=10))
        while not first.done():
            await other.get_updates(timeout=0)
        with pytest.raises(Conflict, match="terminated by other getUpdates"):
            await first


async def test_what_is_bold_comes_back_as_an_entity(sandbox: Any, bot: Bot) -> None:
    sent = await bot.send_message(CHAT, '📈 <b>NSE:M&amp;M</b> <a href="https://x.example/">chart</a>', parse_mode="HTML")
    assert sent.text == "📈 NSE:M&M chart"
    assert sent.text_html == '📈 <b>NSE:M&amp;M</b> <a href="https://x.example/">chart</a>'


async def test_a_chat_with_a_negative_number_is_a_group(sandbox: Any, bot: Bot) -> None:
    await person(sandbox, chat_id=-100, text="/list")
    (update,) = await bot.get_updates()
    assert update.message is not None
    assert update.message.chat.type == "group"
    assert await bot.get_updates(offset=update.update_id + 1) == ()
