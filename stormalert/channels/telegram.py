"""Telegram: a chat with the bot, or a group that it is in."""

import re
from collections.abc import Mapping
from html import escape
from typing import Any

from stormalert.config.settings import Settings
from stormalert.errors import InputError
from stormalert.notify.description import (
    TIMED_OUT,
    UNKNOWN,
    UNKNOWN_REFUSAL,
    ChannelDescription,
    DemoAddress,
    Judgement,
    Look,
    Meaning,
    MessagePreview,
    Question,
    RateLimit,
    SandboxPlaces,
)
from stormalert.units import MINUTE_MS, SECOND_MS

# 0-9, not \d: that takes the digits of every script.
_CHAT = re.compile(r"-?[1-9][0-9]{0,18}")
_DEAD = Meaning("refused", is_address_dead=True)
_BLOCKED = Meaning("blocked by the recipient", is_address_dead=True)
_REMOVED = Meaning("the bot was removed from the chat", is_address_dead=True, hint="add it again, or link another chat")
_NO_CHAT = Meaning("the chat is gone", is_address_dead=True)
_NO_USER = Meaning("the account is gone", is_address_dead=True)
_NO_RIGHT = Meaning("the bot may not write there", hint="give it the right to send messages in that chat")
_TOPIC = Meaning("the topic is closed", hint="open the group's topic again")
_NO_TOPIC = Meaning("the topic is gone", hint="link the group anew")
_CONTENT = Meaning("content refused")
_SLOW = Meaning("rate limited", is_retried=True)


def _checked(text: str, _config: Settings) -> str:
    if not _CHAT.fullmatch(text):
        raise InputError(f"A Telegram chat id is a whole number, such as 700000001 or -1001234567890, was {text!r}.")
    return text


def _limits(chat: str, config: Settings) -> tuple[RateLimit, ...]:
    limits = (RateLimit(config.telegram_bot_rate, SECOND_MS), RateLimit(config.telegram_chat_rate, SECOND_MS, of=chat))
    # Telegram gives groups and channels negative ids.
    is_group = chat.startswith(("-", "@"))
    return (*limits, RateLimit(config.telegram_group_rate, MINUTE_MS, of=chat, name="minute")) if is_group else limits


def _html(it: MessagePreview) -> str:
    return f"<b>{escape(it.headline)}</b>" + (f"\n{escape(it.details)}" if it.details else "")


def _judged(status: int, fields: Mapping[str, Any]) -> Judgement:
    if status in (401, 404):
        return Judgement("the bot's token is refused", "ask @BotFather for it, then TELEGRAM_BOT_TOKEN or Admin, Keys")
    if status != 200:
        return Judgement(f"answers with status {status}", "wait, then look again")
    return Judgement(f"the bot is @{(fields.get('result') or {}).get('username', '?')}")


def _in_sandbox(places: SandboxPlaces) -> Mapping[str, str]:
    return {
        "TELEGRAM_BOT_TOKEN": "1000001:sandbox-telegram-token",
        "STORM_TELEGRAM_API_ROOT": places.http,
        "STORM_TELEGRAM_BOT_RATE": places.unlimited,
        "STORM_TELEGRAM_CHAT_RATE": places.unlimited,
    }


CHANNEL = ChannelDescription(
    name="Telegram",
    noun="Telegram",
    icon=":material/send:",
    needs=("TELEGRAM_BOT_TOKEN",),
    machine=(
        "STORM_TELEGRAM_API_ROOT",
        "STORM_TELEGRAM_WEBHOOK_URL",
        "STORM_TELEGRAM_BOT_RATE",
        "STORM_TELEGRAM_CHAT_RATE",
        "STORM_TELEGRAM_GROUP_RATE",
    ),
    set_up="Write /newbot to @BotFather in Telegram: it gives the bot a name and you its token.",
    address_help="Use the link above; or, for a group with the bot in it, the group's chat id.",
    mend="Open the bot in Telegram and press Start, or link the chat anew; then switch it on again.",
    check=_checked,
    longest=4096,
    limits=_limits,
    can_be_silent=True,
    has_link=True,
    errors={
        429: Meaning("rate limited", is_retried=True),
        "5xx": UNKNOWN,
        "time-out": TIMED_OUT,
        401: Meaning("credentials refused", needs_admin=True, hint="check TELEGRAM_BOT_TOKEN"),
        403: _BLOCKED,
        400: Meaning("refused"),
        # That it has not; 400 and 403 are all that its documentation has of a chat.
        "4xx": UNKNOWN_REFUSAL,
        # What Telegram says of a chat that will never take a message again, or not before its owner has done something there.
        "bot was blocked": _BLOCKED,
        "user_is_blocked": _BLOCKED,
        "bot was kicked": _REMOVED,
        "bot is not a member": _REMOVED,
        "can't initiate conversation": Meaning("the bot was never started there", is_address_dead=True, hint="press its Start"),
        "can't send messages to bots": Meaning("the chat is a bot's", is_address_dead=True),
        "chat not found": _DEAD,
        "chat_id is empty": _DEAD,
        "chat_id_invalid": _DEAD,
        "peer_id_invalid": _DEAD,
        "channel_invalid": _NO_CHAT,
        "channel_private": _REMOVED,
        "group chat was deactivated": _NO_CHAT,
        "group chat was deleted": _NO_CHAT,
        "chat was deleted": _NO_CHAT,
        "group chat was upgraded": Meaning("the group became a supergroup", is_address_dead=True, hint="link it anew"),
        "user is deactivated": _NO_USER,
        "user_deactivated": _NO_USER,
        "user_deleted": _NO_USER,
        "user not found": _NO_USER,
        # What its owner can mend while it is on.
        "not enough rights": _NO_RIGHT,
        "have no rights to send": _NO_RIGHT,
        "need administrator rights": _NO_RIGHT,
        "chat_write_forbidden": _NO_RIGHT,
        "chat_admin_required": _NO_RIGHT,
        "chat_forbidden": _NO_RIGHT,
        "chat_guest_send_forbidden": _NO_RIGHT,
        "chat_send_": _NO_RIGHT,
        "user_banned_in_channel": _NO_RIGHT,
        "user_restricted": _NO_RIGHT,
        "chat_restricted": Meaning("the chat is restricted", hint="see what Telegram says in it"),
        "topic_closed": _TOPIC,
        "topic_deleted": _NO_TOPIC,
        "message thread not found": _NO_TOPIC,
        "privacy_premium_required": Meaning("the recipient takes messages of Premium accounts only"),
        "payment_required": Meaning("the recipient wants to be paid for messages"),
        # What we wrote.
        "can't parse": _CONTENT,
        "message is too long": _CONTENT,
        "message_too_long": _CONTENT,
        "message text is empty": _CONTENT,
        "message must be non-empty": _CONTENT,
        "entities_too_long": _CONTENT,
        "entity_": _CONTENT,
        "button_": _CONTENT,
        "reply_markup": _CONTENT,
        "wrong http url": _CONTENT,
        # What passes.
        "slowmode_wait": _SLOW,
        "flood_wait": _SLOW,
        "too many requests": _SLOW,
    },
    look=Look("Telegram", _html, "background:#dfeefb", buttons=("Snooze 1 h", "Pause rule", "Chart")),
    question=Question(
        "telegram",
        lambda config: config.telegram_api_root,
        path=lambda config: f"/bot{config.telegram_bot_token.get_secret_value()}/getMe",
        judge=_judged,
    ),
    in_sandbox=_in_sandbox,
    demo=lambda config: DemoAddress("700000001", config.telegram_api_root),
    remarks="20 in 1 min to one group; a group that became a supergroup gets its new address",
)


def meaning_of(status: int, words: str) -> Meaning:
    """Of a refusal, by what Telegram says in its description, where that is known; else by its status."""
    said = words.lower()
    listed = (answer for answer in CHANNEL.errors if isinstance(answer, str) and answer in said)
    return CHANNEL.meaning(next(listed, status))
