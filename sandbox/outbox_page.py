"""The outbox for people, as their phones would show it, and for programs."""

from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.outbox import CHANNELS, PAGE, Outbox, OutboxMessage
from sandbox.pages import asset, page
from sandbox.recording import INDIA

NAMES = {"telegram": "Telegram", "whatsapp": "WhatsApp", "email": "E-mail", "webhook": "Webhook", "ntfy": "ntfy"}
SHOWN = 100
USUAL_CHAT = "700000001"


class OutboxPage:
    """The page, its JSON twin, and the broom."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def routes(self) -> list[Route]:
        return [
            Route("/outbox", self._show, methods=["GET"]),
            Route("/outbox", self._clear, methods=["DELETE"]),
            Route("/outbox.json", self._list, methods=["GET"]),
            asset("/outbox.js", Path(__file__).with_name("outbox.js")),
        ]

    async def _show(self, request: Request) -> Response:
        channel = request.query_params.get("channel", "")
        counts = self._outbox.counts()
        tabs = [{"channel": "", "label": f"All {sum(counts.values()):,}"}]
        tabs += [{"channel": it, "label": f"{NAMES[it]} {counts[it]:,}"} for it in CHANNELS]
        newest = self._outbox.newest(channel, SHOWN)
        return page(
            "outbox.html",
            tabs=tabs,
            chosen=channel,
            # To write to.
            chat=_chat(newest) if channel in ("", "telegram") else "",
            messages=map(_card, newest),
            most=SHOWN,
        )

    async def _list(self, request: Request) -> Response:
        since, limit = request.query_params.get("since", "0"), request.query_params.get("limit", str(PAGE))
        if not (since.isdigit() and limit.isdigit()):
            return JSONResponse({"error": "since (a message id) and limit must be whole numbers"}, 400)
        messages = self._outbox.after(int(since), request.query_params.get("channel", ""), int(limit))
        return JSONResponse({"messages": [message.as_json() for message in messages]})

    async def _clear(self, request: Request) -> Response:
        return JSONResponse({"deleted": self._outbox.clear()})


def _card(message: OutboxMessage) -> dict[str, Any]:
    """As outbox.html shows it."""
    content = message.content
    is_mail = message.channel == "email"
    return {
        "channel": message.channel,
        "name": NAMES.get(message.channel, message.channel),
        "to": message.to,
        "statuses": _statuses(content),
        "time": datetime.fromtimestamp(message.time_ms / 1000, INDIA),
        "subject": content.get("subject", ""),
        "text": _text(message),
        "number": content.get("message_id", ""),
        "buttons": _buttons(content),
        "mail": content.get("html", "") if is_mail else "",
    }


def _statuses(content: dict[str, Any]) -> list[str]:
    code = f" ({content['error_code']})" if content.get("error_code") else ""
    found = [f"{content['status']}{code}"] if content.get("status") else []
    return [*found, "without a sound"] if _is_silent(content) else found


def _text(message: OutboxMessage) -> str:
    # A Telegram text is HTML that telegram_text has made safe; anything else is plain.
    if message.channel == "telegram" and message.content.get("html"):
        return Markup(message.content["html"])  # noqa: S704
    return str(message.content.get("text", ""))


def _is_silent(content: dict[str, Any]) -> bool:
    return str(content.get("raw", {}).get("disable_notification", "")).lower() == "true"


def _buttons(content: dict[str, Any]) -> list[dict[str, str]]:
    raw = content.get("raw", {})
    links = [{"text": it.get("label"), "url": it.get("url")} for it in raw.get("actions") or []]
    markup = raw.get("reply_markup") or {"inline_keyboard": [links]}
    lines = markup.get("inline_keyboard", []) if isinstance(markup, dict) else []
    return [_button(button) for line in lines for button in line]


def _button(button: dict[str, Any]) -> dict[str, str]:
    """With a `url`, or something to `press`."""
    label, url = str(button.get("text", "")), str(button.get("url", ""))
    is_link = url.startswith(("http://", "https://"))
    return {"label": label, "url": url if is_link else "", "press": str(button.get("callback_data", ""))}


def _chat(messages: list[OutboxMessage]) -> str:
    """Of the person who got the newest message."""
    return next((it.to for it in messages if it.channel == "telegram"), USUAL_CHAT)
