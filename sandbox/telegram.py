"""The Telegram Bot API, as much of it as an alerting bot uses; people who write to the bot are played by `say` and `press`."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from sandbox.faults import TelegramFaults, Trouble, hang
from sandbox.outbox import Outbox, OutboxMessage
from sandbox.rates import Rates
from sandbox.telegram_fields import Fields, TelegramError, check_buttons, fields_of, number_of, text_of
from sandbox.telegram_text import entities
from sandbox.tls import trust

MAX_POLL_S = 50.0


class PersonError(Exception):
    """Something that a person cannot do to the bot; the message says why."""


class Telegram:
    """One bot."""

    def __init__(self, token: str, outbox: Outbox, faults: TelegramFaults, rates: Rates) -> None:
        self._token, self._outbox, self._faults, self._rates = token, outbox, faults, rates
        self._bot = {
            "id": int(token.partition(":")[0]),
            "is_bot": True,
            "first_name": "StormAlert sandbox",
            "username": "stormalert_sandbox_bot",
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }
        self._updates: list[dict[str, Any]] = []
        self._update_id = self._message_id = int(time.time())
        self._arrived = asyncio.Event()
        self._poll = 0
        self._webhook: Fields = {}
        self._methods: dict[str, Callable[[Fields], Awaitable[Any]]] = {
            "getMe": self._get_me,
            "getUpdates": self._get_updates,
            "sendMessage": self._send_message,
            "editMessageText": self._edit_message,
            "answerCallbackQuery": self._answer_callback,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
            "setMyCommands": self._accept,
            "sendChatAction": self._accept,
        }

    def routes(self) -> list[Route]:
        return [Route("/bot{token}/{method}", self._call, methods=["GET", "POST"])]

    async def say(self, chat_id: int, text: str, name: str) -> None:
        """Let a person write to the bot."""
        entities = [{"type": "bot_command", "offset": 0, "length": len(text.split()[0])}] if text[:1] == "/" else []
        await self._arrive("message", self._message(chat_id, name) | {"text": text, "entities": entities})

    async def press(self, message_id: int, data: str, name: str) -> None:
        """Let a person press a button under a message."""
        sent = self._outbox.find("telegram", str(message_id))
        if sent is None:
            raise PersonError(f"no telegram message {message_id} in the outbox")
        query = {
            "id": str(self._next_message_id()),
            "from": _person(int(sent.to), name),
            "chat_instance": sent.to,
            "message": self._sent(sent),
            "data": data,
        }
        await self._arrive("callback_query", query)

    async def _call(self, request: Request) -> Response:
        method = self._methods.get(request.path_params["method"])
        try:
            if request.path_params["token"] != self._token:
                raise TelegramError(401, "Unauthorized")
            if method is None:
                raise TelegramError(404, "Not Found")
            result = await method(await fields_of(request))
        except TelegramError as error:
            status, description = error.body["error_code"], error.body["description"]
            # As something between the bot and Telegram would answer.
            return HTMLResponse(description, status) if description.startswith("<") else JSONResponse(error.body, status)
        return JSONResponse({"ok": True, "result": result})

    async def _get_me(self, fields: Fields) -> Any:
        return self._bot

    async def _accept(self, fields: Fields) -> Any:
        return True

    async def _send_message(self, fields: Fields) -> Any:
        chat = self._chat_of(fields)
        html, text = text_of(fields)
        check_buttons(fields)
        wait_s = self._rates.telegram(chat)
        trouble = Trouble.TOO_MANY if wait_s else self._faults.next_trouble()
        if trouble is Trouble.TOO_MANY:
            after_s = wait_s or self._faults.retry_after_s
            raise TelegramError(429, f"Too Many Requests: retry after {max(round(after_s), 1)}", after_s)
        if trouble is Trouble.SERVER_ERROR:
            raise TelegramError(500, "Internal Server Error")
        if trouble is Trouble.TIME_OUT:
            await hang()
            raise TelegramError(504, "Gateway Timeout")
        content = {"message_id": self._next_message_id(), "text": text, "html": html, "raw": fields}
        sent = self._outbox.add("telegram", str(chat), content, key=str(content["message_id"]))
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return self._sent(sent)

    async def _edit_message(self, fields: Fields) -> Any:
        sent = self._outbox.find("telegram", str(fields.get("message_id", "")))
        if sent is None or sent.to != str(fields.get("chat_id", "")):
            raise TelegramError(400, "Bad Request: message to edit not found")
        html, text = text_of(fields)
        shown = ("text", "parse_mode", "reply_markup")
        if all(fields.get(name) == sent.content["raw"].get(name) for name in shown):
            raise TelegramError(400, "Bad Request: message is not modified")
        return self._sent(self._outbox.change(sent, text=text, html=html, raw=fields))

    async def _answer_callback(self, fields: Fields) -> Any:
        if not fields.get("callback_query_id"):
            raise TelegramError(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        return True

    async def _get_updates(self, fields: Fields) -> Any:
        if self._webhook:
            raise TelegramError(409, "Conflict: can't use getUpdates method while webhook is active")
        offset = number_of(fields, "offset", 0)
        self._updates = [update for update in self._updates if update["update_id"] >= offset]
        timeout_s = min(number_of(fields, "timeout", 0), MAX_POLL_S)
        # Whoever asks last is served; the one who waits is told.
        self._poll += 1
        mine = self._poll
        self._arrived.set()
        if not self._updates and timeout_s > 0:
            self._arrived = asyncio.Event()
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout_s)
            except TimeoutError:
                return []
            if mine != self._poll:
                raise TelegramError(409, "Conflict: terminated by other getUpdates request; make sure that only one bot runs")
        return self._updates[: number_of(fields, "limit", 100)]

    async def _set_webhook(self, fields: Fields) -> Any:
        url = str(fields.get("url", ""))
        self._webhook = {"url": url, "secret_token": str(fields.get("secret_token", ""))} if url else {}
        return True

    async def _delete_webhook(self, fields: Fields) -> Any:
        self._webhook = {}
        return True

    async def _webhook_info(self, fields: Fields) -> Any:
        waiting = len(self._updates)
        return {"url": self._webhook.get("url", ""), "has_custom_certificate": False, "pending_update_count": waiting}

    async def _arrive(self, kind: str, content: Fields) -> None:
        self._update_id += 1
        update = {"update_id": self._update_id, kind: content}
        if self._webhook:
            headers = {"X-Telegram-Bot-Api-Secret-Token": self._webhook["secret_token"]}
            try:
                async with httpx.AsyncClient(timeout=5.0, verify=trust()) as client:
                    answer = await client.post(self._webhook["url"], json=update, headers=headers)
                    answer.raise_for_status()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise PersonError(f"webhook {self._webhook['url']}: {type(error).__name__} {error}") from error
            return
        self._updates.append(update)
        self._arrived.set()

    def _chat_of(self, fields: Fields) -> int:
        text = str(fields.get("chat_id", ""))
        if not text.removeprefix("-").isdecimal():
            raise TelegramError(400, "Bad Request: chat not found" if text else "Bad Request: chat_id is empty")
        if text in self._faults.blocked:
            raise TelegramError(403, "Forbidden: bot was blocked by the user")
        if text in self._faults.migrated:
            reason = "Bad Request: group chat was upgraded to a supergroup chat"
            raise TelegramError(400, reason, migrated_to=self._faults.migrated[text])
        if answer := self._faults.answers.get(text):
            status, _, description = answer.partition(" ")
            after = re.search(r"retry after (\d+)", description)
            raise TelegramError(int(status), description, float(after[1]) if after else None)
        code = self._faults.errors.get(text)
        if code is not None:
            reason = "chat not found" if code == 400 else HTTPStatus(code).phrase
            raise TelegramError(code, f"{HTTPStatus(code).phrase}: {reason}")
        return int(text)

    def _sent(self, message: OutboxMessage) -> dict[str, Any]:
        sent = {
            "message_id": message.content["message_id"],
            "from": self._bot,
            "chat": _chat(int(message.to), "Trader"),
            "date": message.time_ms // 1000,
            "text": message.content["text"],
        }
        if message.content["html"]:
            sent["entities"] = entities(message.content["html"])
        markup = message.content["raw"].get("reply_markup")
        return sent | ({"reply_markup": markup} if isinstance(markup, dict) and "inline_keyboard" in markup else {})

    def _message(self, chat_id: int, name: str) -> dict[str, Any]:
        return {
            "message_id": self._next_message_id(),
            "from": _person(chat_id, name),
            "chat": _chat(chat_id, name),
            "date": int(time.time()),
        }

    def _next_message_id(self) -> int:
        self._message_id += 1
        return self._message_id


def _person(user_id: int, name: str) -> dict[str, Any]:
    return {"id": abs(user_id), "is_bot": False, "first_name": name}


def _chat(chat_id: int, name: str) -> dict[str, Any]:
    # Groups have negative numbers.
    if chat_id < 0:
        return {"id": chat_id, "type": "group", "title": name}
    return {"id": chat_id, "type": "private", "first_name": name}
