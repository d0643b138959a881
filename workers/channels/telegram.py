"""Telegram, by python-telegram-bot."""

import os
from datetime import timedelta
from html import escape
from typing import Any

# Must be set before the import: retry_after is a timedelta in the library's next version, and a warning in this one.
os.environ.setdefault("PTB_TIMEDELTA", "true")

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut

from stormalert.channels.telegram import CHANNEL, meaning_of
from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, Moved, Retryable
from stormalert.model import Alert
from stormalert.notify.description import UNKNOWN_REFUSAL
from workers.bot import buttons
from workers.bot.buttons import Button, Press, Verb
from workers.deadlines import ANSWER_S, STEP_S
from workers.render import Message, cut
from workers.telegram_http import TelegramHttp

# Those that the library tells apart.
_KNOWN = (400, 401, 403, 404, 429)
# What the library adds when the answer is none of Telegram's: something between it and us speaks.
_NOT_TELEGRAM = ". Parsing the server response"


class _Unlisted(TelegramError):
    """Any other refusal, which the library takes for a trouble of the network."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class _BotRequest(TelegramHttp):
    async def do_request(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        status, payload = await super().do_request(*args, **options)
        if 400 <= status < 500 and status not in _KNOWN:
            raise _Unlisted(status)
        return status, payload


class TelegramSender:
    def __init__(self, token: str, api_root: str) -> None:
        self._token = token
        self._request = _BotRequest(ANSWER_S, connect_timeout=3, read_timeout=STEP_S, write_timeout=STEP_S, pool_timeout=1)
        # Never initialized: that would only ask Telegram for the bot's own name.
        self._bot = Bot(token, f"{api_root}/bot", request=self._request, get_updates_request=self._request)

    async def send(self, address: str, message: Message) -> str:
        try:
            return await self._send(address, message)
        except TelegramError as error:
            raise self._translated(error) from None

    async def close(self) -> None:
        await self._request.shutdown()

    async def _send(self, chat: str, message: Message) -> str:
        sent = await self._bot.send_message(
            chat,
            html(message),
            ParseMode.HTML,
            link_preview_options=LinkPreviewOptions(is_disabled=True),
            disable_notification=message.is_silent or None,
            reply_markup=_under(chat, message.alert) if message.alert else None,
        )
        return str(sent.message_id)

    def _translated(self, error: TelegramError) -> DeliveryError:
        message, strange, _ = error.message.partition(_NOT_TELEGRAM)
        # The libraries below put the URL, which holds the token, into some of their texts.
        detail = message.replace(self._token, "***")
        match error:
            case RetryAfter():
                after = error.retry_after
                return CHANNEL.meaning(429).error(after_s=after.total_seconds() if isinstance(after, timedelta) else after)
            case ChatMigrated():
                return Moved(str(error.new_chat_id))
            case Forbidden() | BadRequest() | InvalidToken() if strange:
                return UNKNOWN_REFUSAL.error(detail)
            case Forbidden():
                return meaning_of(403, detail).error(f"Telegram 403: {detail}")
            case InvalidToken():
                # The library has one error for both: a token that is none has no place there.
                status = 404 if detail.startswith("Not Found") else 401
                return CHANNEL.meaning(401).error(f"Telegram {status}: {detail}")
            case BadRequest():
                return meaning_of(400, detail).error(f"Telegram 400: {detail}")
            case _Unlisted():
                return CHANNEL.meaning(error.status).error(f"Telegram {error.status}")
            case TimedOut():
                return CHANNEL.meaning("time-out").error()
            case NetworkError():
                return CHANNEL.meaning(429 if "Too Many Requests" in detail else 500).error(_cause(error))
            case _:
                return Retryable("unexpected answer", type(error).__name__)


def open_sender(config: Settings) -> TelegramSender:
    return TelegramSender(config.telegram_bot_token.get_secret_value(), config.telegram_api_root.rstrip("/"))


def html(message: Message) -> str:
    """Bold headline and details, within Telegram's limit, which counts what is left after the markup is parsed."""
    # Cut first, then escaped: a cut never falls into an entity or a tag.
    text = cut(message.text, CHANNEL.longest)
    headline, rest = text[: len(message.headline)], text[len(message.headline) :]
    return f"<b>{escape(headline)}</b>{escape(rest)}"


def keyboard(row: list[Button]) -> InlineKeyboardMarkup:
    return InlineKeyboardMarkup([[InlineKeyboardButton(it.text, it.url or None, it.data or None) for it in row]])


def _under(chat: str, alert: Alert) -> InlineKeyboardMarkup:
    press = Press.of(Verb.SNOOZE, alert.token, alert.rule)
    # Groups and channels have negative numbers.
    return keyboard(buttons.under(press, alert.symbol, is_private=not chat.startswith("-")))


def _cause(error: NetworkError) -> str:
    return type(error.__cause__).__name__ if error.__cause__ is not None else "the server failed"
