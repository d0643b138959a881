"""The Telegram side of the bot: who writes or presses, and what goes back. python-telegram-bot calls it for each update."""

import asyncio
import logging
from collections.abc import Callable
from html import escape
from typing import Any, TypeVar

from redis import Redis
from telegram import (
    BotCommand,
    CallbackQuery,
    InlineKeyboardMarkup,
    LinkPreviewOptions,
    Message,
    Update,
)
from telegram.constants import ChatType, ParseMode
from telegram.error import BadRequest, RetryAfter, TelegramError
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes, MessageHandler, filters

from stormalert import words
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.model import ChannelKind
from stormalert.notify import linking
from stormalert.notify.linking import Linking
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import SECOND_MS
from workers.bot import buttons
from workers.bot.buttons import Press
from workers.bot.commands import HELP, MENU, Commands, Said
from workers.channels.telegram import keyboard
from workers.deadlines import SEND_S, STEP_S
from workers.limits import Limits
from workers.telegram_http import TelegramHttp

log = logging.getLogger("stormalert")

# Longest wait of one question for updates.
POLL_S = 25
WANTED = [Update.MESSAGE, Update.CALLBACK_QUERY]
_NOT_LINKED = "This chat is not linked. Sign in to StormAlert, open Channels, and use the Telegram link there."
_NO_LINK = (
    f"This link was used already or is older than {words.duration(keys.link.kept_s * SECOND_MS)}."
    " Make a new one in StormAlert under Channels."
)
_AWAY = "StormAlert cannot look that up just now. Try again in a moment."
_LINES_MAX = 4000
# Begins what a press adds to a message, so that the next press can replace it.
_MARK = "\n\n— "

Result = TypeVar("Result")
Context = ContextTypes.DEFAULT_TYPE
App = Application[Any, Any, Any, Any, Any, Any]


class Talk:
    def __init__(self, store: Store, client: Redis, links: Linking, limits: Limits) -> None:
        self._store = store
        self._client = client
        self._links = links
        self._limits = limits
        self._commands = Commands(store, client)
        # The heartbeat shows them.
        self.counts: dict[str, int] = {"updates": 0, "failed": 0}

    def application(self, config: Settings) -> App:
        """Not initialized; updates come in by process_update."""
        fast = TelegramHttp(SEND_S, connect_timeout=3, read_timeout=STEP_S, write_timeout=STEP_S, pool_timeout=2)
        poll_s = POLL_S + SEND_S
        slow = TelegramHttp(poll_s, connect_timeout=3, read_timeout=poll_s, write_timeout=STEP_S, pool_timeout=2)
        builder = Application.builder().token(config.telegram_bot_token.get_secret_value())
        builder = builder.base_url(f"{config.telegram_api_root.rstrip('/')}/bot").request(fast).get_updates_request(slow)
        application = builder.updater(None).job_queue(None).build()
        written = filters.UpdateType.MESSAGE
        private = written & filters.ChatType.PRIVATE
        application.add_handler(CommandHandler("start", self._start, written))
        application.add_handler(MessageHandler(private & filters.TEXT, self._message))
        application.add_handler(CallbackQueryHandler(self._press))
        application.add_error_handler(self._failed)
        return application

    async def _start(self, update: Update, context: Context) -> None:
        message = update.message
        if message is None:
            return
        self.counts["updates"] += 1
        chat, token = str(message.chat.id), (context.args or [""])[0]
        user = await self._ask(lambda: self._links.use_link(token) if token else None)
        if user is not None:
            if await self._ask(lambda: linking.link_chat(self._store, user, chat)) is None:
                await self._reply(message, _AWAY)
                return
            log.info("chat linked", extra={"user": user})
            text = "<b>Linked.</b> Your alerts come here from now on."
            await self._reply(message, f"{text}\n\n{HELP}" if message.chat.type == ChatType.PRIVATE else text)
        elif await self._owner(message) is not None:
            await self._reply(message, _NO_LINK if token else HELP)
        elif message.chat.type == ChatType.PRIVATE and await self._is_new(chat):
            await self._reply(message, _NO_LINK if token else _NOT_LINKED)

    async def _message(self, update: Update, _context: Context) -> None:
        message = update.message
        if message is None or not message.text:
            return
        self.counts["updates"] += 1
        user = await self._owner(message)
        if user is None:
            # Strangers get no answer: nobody learns from it that there is somebody.
            return
        command, _, rest = message.text.partition(" ") if " " in message.text else message.text.partition("\n")
        if not command.startswith("/"):
            await self._reply(message, "I take commands only. /help lists them.")
            return
        said = Said(user, str(message.chat.id), message.message_id, " ".join(rest.split()))
        name = command[1:].partition("@")[0]
        answer = await self._ask(lambda: self._commands.answer(name, said))
        await self._reply(message, _AWAY if answer is None else answer)

    async def _press(self, update: Update, _context: Context) -> None:
        query = update.callback_query
        if query is None:
            return
        self.counts["updates"] += 1
        press, message = Press.read(query.data or ""), query.message
        if press is None or not isinstance(message, Message) or message.chat.type != ChatType.PRIVATE:
            await _answer(query)
            return
        try:
            owner = await asyncio.to_thread(linking.owner_of_chat, self._store, str(message.chat.id))
            done = await asyncio.to_thread(self._commands.press, owner.user, press) if owner else None
        except (*REDIS_ERRORS, StormError) as error:
            log.warning("press not carried out", extra={"reason": type(error).__name__})
            await _answer(query, _AWAY)
            return
        if done is None:
            await _answer(query, "This rule is gone." if owner else "")
            return
        await _answer(query, f"{done.text}.")
        row = buttons.under(press, done.symbol, is_muted=done.is_muted, is_paused=done.is_paused)
        text = f"{message.text_html.partition(_MARK)[0]}{_MARK}<i>{escape(done.text)}.</i>"
        await _edit(query, text, keyboard(row))

    async def _owner(self, message: Message) -> str | None:
        """The user for whom the chat speaks."""
        owner = await self._ask(lambda: linking.owner_of_chat(self._store, str(message.chat.id)))
        return owner.user if owner else None

    async def _is_new(self, chat: str) -> bool:
        return bool(await self._ask(lambda: self._client.set(keys.stranger(chat), 1, nx=True, ex=keys.stranger.kept_s)))

    async def _ask(self, question: Callable[[], Result]) -> Result | None:
        """The store and Redis block, so they are asked in a thread; None, too, when they do not answer."""
        try:
            return await asyncio.to_thread(question)
        except (*REDIS_ERRORS, StormError) as error:
            log.warning("message not answered", extra={"reason": type(error).__name__})
            return None

    async def _reply(self, message: Message, html: str) -> None:
        async def send() -> None:
            async with self._limits.at_once(ChannelKind.TELEGRAM, str(message.chat.id)):
                await message.reply_text(
                    _cut(html), parse_mode=ParseMode.HTML, link_preview_options=LinkPreviewOptions(is_disabled=True)
                )

        await _patiently(send)

    async def _failed(self, _update: object, context: Context) -> None:
        self.counts["failed"] += 1
        # Its text may hold the URL, and that the token.
        log.error("update failed", extra={"error": type(context.error).__name__})


def menu() -> list[BotCommand]:
    return [BotCommand(name, text) for name, text in MENU.items()]


async def _answer(query: CallbackQuery, text: str = "") -> None:
    async def send() -> None:
        await query.answer(text[:200] or None)

    await _patiently(send)


async def _edit(query: CallbackQuery, html: str, markup: InlineKeyboardMarkup) -> None:
    async def send() -> None:
        await query.edit_message_text(html, parse_mode=ParseMode.HTML, reply_markup=markup)

    await _patiently(send)


async def _patiently(send: Callable[[], Any]) -> None:
    """Once more after the pause that Telegram asks for; an answer that cannot be given is not worth more."""
    try:
        try:
            await send()
        except RetryAfter as error:
            after = error.retry_after
            await asyncio.sleep(min(10.0, after if isinstance(after, int) else after.total_seconds()))
            await send()
    except BadRequest as error:
        # Pressed twice; or the message is too old to be changed.
        log.debug("telegram refused", extra={"reason": error.message})
    except TelegramError as error:
        log.warning("answer not sent", extra={"reason": type(error).__name__})


def _cut(html: str) -> str:
    """Whole lines only, because a tag that is cut in two is refused; no tag of ours goes over a line."""
    kept: list[str] = []
    for line in html.split("\n"):
        if sum(map(len, kept)) + len(kept) + len(line) > _LINES_MAX:
            return "\n".join([*kept, "…"])
        kept.append(line)
    return html
