"""The outbox for people, as their phones would show it, and for programs."""

from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

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
        tabs = [_tab("", f"All {sum(counts.values()):,}", channel)]
        tabs += [_tab(it, f"{NAMES[it]} {counts[it]:,}", channel) for it in CHANNELS]
        newest = self._outbox.newest(channel, SHOWN)
        messages = [_card(message) for message in newest]
        speech = _speech(newest) if channel in ("", "telegram") else ""
        empty = '<p class="card faint">Nothing yet. Messages appear here as soon as they are sent.</p>'
        note = f'<p class="faint">The newest {SHOWN}; all of them: <a href="/outbox.json">/outbox.json</a></p>'
        body = f"<h1>Outbox</h1><nav>{''.join(tabs)}</nav>{speech}{''.join(messages) or empty}{note}"
        return page("Outbox", body, script="/outbox.js")

    async def _list(self, request: Request) -> Response:
        since, limit = request.query_params.get("since", "0"), request.query_params.get("limit", str(PAGE))
        if not (since.isdigit() and limit.isdigit()):
            return JSONResponse({"error": "since (a message id) and limit must be whole numbers"}, 400)
        messages = self._outbox.after(int(since), request.query_params.get("channel", ""), int(limit))
        return JSONResponse({"messages": [message.as_json() for message in messages]})

    async def _clear(self, request: Request) -> Response:
        return JSONResponse({"deleted": self._outbox.clear()})


def _tab(channel: str, label: str, chosen: str) -> str:
    current = ' aria-current="page"' if channel == chosen else ""
    target = f"/outbox?channel={channel}" if channel else "/outbox"
    return f'<a href="{target}"{current}>{escape(label)}</a>'


def _card(message: OutboxMessage) -> str:
    content = message.content
    subject = f"<h3>{escape(content['subject'])}</h3>" if content.get("subject") else ""
    status = f"<span>{escape(content['status'])}{_error(content)}</span>" if content.get("status") else ""
    status += "<span>without a sound</span>" if _is_silent(content) else ""
    time = datetime.fromtimestamp(message.time_ms / 1000, INDIA)
    return f"""
        <article class="card message {escape(message.channel)}">
          <header>
            <b>{NAMES.get(message.channel, escape(message.channel))}</b> <span>{escape(message.to)}</span> {status}
            <time datetime="{time.isoformat(timespec="milliseconds")}">{time:%d %b %H:%M:%S}</time>
          </header>
          {subject}<div class="text">{_text(message)}</div>{_buttons(content)}{_mail(message)}
        </article>"""


def _text(message: OutboxMessage) -> str:
    # A Telegram text is HTML that telegram_text has made safe; anything else is plain.
    is_safe = message.channel == "telegram" and message.content.get("html")
    return str(message.content["html"]) if is_safe else escape(str(message.content.get("text", "")))


def _mail(message: OutboxMessage) -> str:
    html = message.content.get("html")
    if message.channel != "email" or not html:
        return ""
    frame = f'<iframe sandbox srcdoc="{escape(html)}" title="The mail as HTML"></iframe>'
    return f"<details><summary>As HTML</summary>{frame}</details>"


def _is_silent(content: dict[str, Any]) -> bool:
    return str(content.get("raw", {}).get("disable_notification", "")).lower() == "true"


def _buttons(content: dict[str, Any]) -> str:
    raw = content.get("raw", {})
    links = [{"text": it.get("label"), "url": it.get("url")} for it in raw.get("actions") or []]
    markup = raw.get("reply_markup") or {"inline_keyboard": [links]}
    lines = markup.get("inline_keyboard", []) if isinstance(markup, dict) else []
    buttons = "".join(_button(content, button) for line in lines for button in line)
    return f'<div class="buttons">{buttons}</div>' if buttons else ""


def _button(content: dict[str, Any], button: dict[str, Any]) -> str:
    label, url = escape(str(button.get("text", ""))), str(button.get("url", ""))
    if url.startswith(("http://", "https://")):
        return f'<a href="{escape(url)}" target="_blank" rel="noreferrer">{label}</a>'
    message, data = escape(str(content.get("message_id", ""))), escape(str(button.get("callback_data", "")))
    return f'<button type="button" data-message="{message}" data-press="{data}">{label}</button>'


def _speech(messages: list[OutboxMessage]) -> str:
    """A form to write to the bot, as the person whose chat got the newest message."""
    chat = next((it.to for it in messages if it.channel == "telegram"), USUAL_CHAT)
    return f"""<form class="say" id="say">
        <label>Chat <input name="chat_id" value="{escape(chat)}" inputmode="numeric" size="12"></label>
        <input name="text" placeholder="Write to the bot, such as /help" aria-label="Text" autocomplete="off">
        <button>Say</button></form>"""


def _error(content: dict[str, Any]) -> str:
    return f" ({content['error_code']})" if content.get("error_code") else ""
