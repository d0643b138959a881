"""Telegram, by python-telegram-bot."""

import os
from datetime import timedelta
from html import escape

# Must be set before the import: retry_after is a timedelta in the library's next version, and a warning in this one.
os.environ.setdefault("PTB_TIMEDELTA", "true")

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.constants import MessageLimit, ParseMode
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, Moved, Permanent, Retryable
from stormalert.model import Alert
from workers.bot import buttons
from workers.bot.buttons import Button, Press, Verb
from workers.render import Message, cut

# What Telegram says of a chat that will never take a message again.
_DEAD_CHAT = ("chat not found", "user is deactivated", "user not found", "peer_id_invalid", "group chat was deactivated")


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
                return Retryable("rate limited", after_s=after.total_seconds() if isinstance(after, timedelta) else after)
            case ChatMigrated():
                return Moved(str(error.new_chat_id))
            case Forbidden():
                return Permanent("blocked by the recipient", detail, is_address_dead=True)
            case InvalidToken():
                return Permanent("credentials refused", "check TELEGRAM_BOT_TOKEN", needs_admin=True)
            case BadRequest():
                is_dead = any(words in detail.lower() for words in _DEAD_CHAT)
                return Permanent("refused", detail, is_address_dead=is_dead)
            case TimedOut():
                return Retryable("timed out")
            case NetworkError():
                return Retryable("provider error", _cause(error))
            case _:
                return Retryable("unexpected answer", type(error).__name__)


def open_telegram(config: Settings) -> TelegramSender | None:
    token = config.telegram_bot_token.get_secret_value()
    return TelegramSender(token, config.telegram_api_root.rstrip("/")) if token else None


def html(message: Message) -> str:
    """Bold headline and details, within Telegram's limit, which counts what is left after the markup is parsed."""
    # Cut first, then escaped: a cut never falls into an entity or a tag.
    text = cut(message.text, MessageLimit.MAX_TEXT_LENGTH)
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
