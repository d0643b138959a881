"""Telegram, by python-telegram-bot."""

import os
from datetime import timedelta
from html import escape

# Must be set before the import: retry_after is a timedelta in the library's next version, and a warning in this one.
os.environ.setdefault("PTB_TIMEDELTA", "true")

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from stormalert.channels.telegram import CHANNEL
from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, Moved, Retryable
from stormalert.model import Alert
from workers.bot import buttons
from workers.bot.buttons import Button, Press, Verb
from workers.render import Message, cut


class TelegramSender:
    def __init__(self, token: str, api_root: str) -> None:
        self._token = token
        self._request = HTTPXRequest(connect_timeout=3, read_timeout=6, write_timeout=6, pool_timeout=1)
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
        # The libraries below put the URL, which holds the token, into some of their texts.
        detail = error.message.replace(self._token, "***")
        match error:
            case RetryAfter():
                after = error.retry_after
                return CHANNEL.meaning(429).error(after_s=after.total_seconds() if isinstance(after, timedelta) else after)
            case ChatMigrated():
                return Moved(str(error.new_chat_id))
            case Forbidden():
                return CHANNEL.meaning(403).error(detail)
            case InvalidToken():
                return CHANNEL.meaning(401).error()
            case BadRequest():
                # Its words, where they are listed; else what any refusal is.
                said = (words for words in CHANNEL.errors if isinstance(words, str) and words in detail.lower())
                return CHANNEL.meaning(next(said, 400)).error(detail)
            case TimedOut():
                return CHANNEL.meaning("time-out").error()
            case NetworkError():
                return CHANNEL.meaning(500).error(_cause(error))
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
