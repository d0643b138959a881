"""What a call to the Telegram Bot API carries, read and checked as Telegram does."""

import json
from typing import Any

from starlette.requests import Request

from sandbox.telegram_text import TextError, parsed

MAX_TEXT = 4096
MAX_CALLBACK_BYTES = 64
NESTED = ("reply_markup", "link_preview_options", "allowed_updates", "entities")

Fields = dict[str, Any]


class TelegramError(Exception):
    """An error as Telegram answers it."""

    def __init__(self, code: int, description: str, retry_after_s: float | None = None, migrated_to: int | None = None) -> None:
        super().__init__(description)
        self.body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        if retry_after_s is not None:
            self.body["parameters"] = {"retry_after": max(round(retry_after_s), 1)}
        if migrated_to is not None:
            self.body["parameters"] = {"migrate_to_chat_id": migrated_to}


async def fields_of(request: Request) -> Fields:
    """Read the parameters from query, form or JSON; nested ones may be JSON in a form field."""
    fields: Fields = dict(request.query_params)
    if "json" in request.headers.get("content-type", ""):
        try:
            body = await request.json()
        except ValueError:
            raise TelegramError(400, "Bad Request: can't parse JSON object") from None
        fields |= body if isinstance(body, dict) else {}
    elif request.method == "POST":
        fields |= {name: str(value) for name, value in (await request.form()).items()}
    for name in NESTED:
        if isinstance(fields.get(name), str):
            try:
                fields[name] = json.loads(fields[name])
            except ValueError:
                raise TelegramError(400, f"Bad Request: can't parse {name}") from None
    return fields


def text_of(fields: Fields) -> tuple[str, str]:
    """Give the text as safe HTML (empty if it is plain) and as plain text."""
    text = str(fields.get("text", ""))
    html = ""
    if str(fields.get("parse_mode", "")).upper() == "HTML":
        try:
            html, text = parsed(text)
        except TextError as error:
            raise TelegramError(400, f"Bad Request: {error}") from error
    if not text.strip():
        raise TelegramError(400, "Bad Request: message text is empty")
    if len(text) > MAX_TEXT:
        raise TelegramError(400, "Bad Request: message is too long")
    return html, text


def check_buttons(fields: Fields) -> None:
    markup = fields.get("reply_markup") or {}
    if not isinstance(markup, dict):
        raise TelegramError(400, "Bad Request: can't parse reply keyboard markup JSON object")
    for button in (button for line in markup.get("inline_keyboard", []) for button in line):
        data = button.get("callback_data")
        if data is not None and not 1 <= len(data.encode()) <= MAX_CALLBACK_BYTES:
            raise TelegramError(400, "Bad Request: BUTTON_DATA_INVALID")


def number_of(fields: Fields, name: str, default: int) -> int:
    try:
        return int(fields.get(name, default))
    except (ValueError, TypeError):
        raise TelegramError(400, f"Bad Request: {name} must be an integer") from None
