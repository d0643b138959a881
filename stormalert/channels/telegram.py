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
        403: Meaning("blocked by the recipient", is_address_dead=True),
        "4xx": Meaning("refused"),
        # What Telegram says of a chat that will never take a message again.
        "chat not found": _DEAD,
        "group chat was deactivated": _DEAD,
        "peer_id_invalid": _DEAD,
        "user is deactivated": _DEAD,
        "user not found": _DEAD,
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
