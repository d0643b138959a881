"""The levers of the sandbox: faults, cut connections, killed tokens, prints, playback, people who write to the bot."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.exchange import Exchange
from sandbox.faults import FaultError, Faults
from sandbox.ntfy import Ntfy
from sandbox.outbox import Outbox
from sandbox.rates import Rates
from sandbox.telegram import PersonError, Telegram
from sandbox.twilio import Twilio
from sandbox.webhook import WebhookReceiver

Lever = Callable[[dict[str, Any]], Awaitable[Any]]


class LeverError(ValueError):
    """A lever pulled wrongly; the message says what was expected."""


class Control:
    """What can be done to the sandbox over HTTP while it runs."""

    def __init__(
        self,
        exchange: Exchange,
        telegram: Telegram,
        twilio: Twilio,
        webhook: WebhookReceiver,
        ntfy: Ntfy,
        outbox: Outbox,
        faults: Faults,
        rates: Rates,
    ) -> None:
        self._exchange, self._outbox, self._faults, self._rates = exchange, outbox, faults, rates
        self._telegram, self._twilio, self._webhook, self._ntfy = telegram, twilio, webhook, ntfy
        self._timers: set[asyncio.TimerHandle] = set()

    def routes(self) -> list[Route]:
        return [
            Route("/control", self._show, methods=["GET"]),
            Route("/control/faults", self._reset, methods=["DELETE"]),
            Route("/control/rates", self._forget_rates, methods=["DELETE"]),
            self._route("/control/faults", self._change),
            self._route("/control/drop", self._drop),
            self._route("/control/close", self._close),
            self._route("/control/kill-tokens", self._kill_tokens),
            self._route("/control/print", self._print),
            self._route("/control/listing", self._relist),
            self._route("/control/say", self._say),
            self._route("/control/playback", self._play),
            self._route("/control/telegram", self._telegram_person),
            self._route("/control/whatsapp", self._whatsapp_person),
            self._route("/control/webhook", self._webhook_secret),
            self._route("/control/ntfy", self._ntfy_token),
        ]

    def _route(self, path: str, lever: Lever) -> Route:
        async def pull(request: Request) -> Response:
            try:
                return JSONResponse(await lever(await _body(request)))
            except (LeverError, FaultError, PersonError, LookupError) as error:
                return JSONResponse({"error": str(error)}, 400)

        return Route(path, pull, methods=["POST"])

    async def _show(self, request: Request) -> Response:
        channels = {"faults": asdict(self._faults), "outbox": self._outbox.counts(), "rates": self._rates.as_json()}
        return JSONResponse(self._exchange.status() | channels)

    async def _change(self, body: dict[str, Any]) -> Any:
        """Set faults, for good or for `for_s` seconds."""
        for_s = _number(body.pop("for_s", 0), "for_s")
        former = self._faults.change(body)
        if for_s:
            self._later(for_s, lambda: self._faults.change(former))
        return asdict(self._faults)

    async def _reset(self, request: Request) -> Response:
        self._faults.reset()
        return JSONResponse(asdict(self._faults))

    async def _forget_rates(self, request: Request) -> Response:
        self._rates.reset()
        return JSONResponse(self._rates.as_json())

    async def _drop(self, body: dict[str, Any]) -> Any:
        return {"dropped": self._exchange.stream.drop()}

    async def _close(self, body: dict[str, Any]) -> Any:
        return {"closed": await self._exchange.stream.close()}

    async def _kill_tokens(self, body: dict[str, Any]) -> Any:
        return {"killed": self._exchange.sessions.end_all()}

    async def _print(self, body: dict[str, Any]) -> Any:
        price = _number(body.get("price"), "price")
        count = round(_number(body.get("count", 1), "count"))
        keep = body.get("keep", True)
        if not isinstance(keep, bool):
            raise LeverError(f"keep: expected true, or false for a print that no later packet knows of, was {keep!r}")
        return {"last_price": self._exchange.print_trade(str(body.get("symbol", "")), price, count, keep)}

    async def _relist(self, body: dict[str, Any]) -> Any:
        rename, is_listed = body.get("rename", ""), body.get("listed", True)
        if not isinstance(rename, str) or not isinstance(is_listed, bool):
            raise LeverError("expected symbol, and rename (a text) or listed (true or false)")
        return {"key": self._exchange.relist(str(body.get("symbol", "")), rename=rename, is_listed=is_listed)}

    async def _say(self, body: dict[str, Any]) -> Any:
        """A text message to every Kite socket, such as the broker's news."""
        kind, text = body.get("type", "message"), body.get("data")
        if not isinstance(kind, str) or not isinstance(text, str):
            raise LeverError("expected data (a text) and type (message, error or order)")
        return {"told": self._exchange.stream.say(kind, text)}

    async def _play(self, body: dict[str, Any]) -> Any:
        playback = self._exchange.playback
        if playback is None:
            raise LeverError("no recording: start the sandbox with --play FILE")
        playback.restart(_number(body["speed"], "speed") if "speed" in body else None)
        return {"speed": playback.speed}

    async def _telegram_person(self, body: dict[str, Any]) -> Any:
        name = str(body.get("name", "Trader"))
        if "press" in body:
            await self._telegram.press(round(_number(body.get("message_id"), "message_id")), str(body["press"]), name)
        elif body.get("text"):
            await self._telegram.say(round(_number(body.get("chat_id"), "chat_id", least=None)), str(body["text"]), name)
        else:
            raise LeverError("expected chat_id and text, or message_id and press")
        return {"ok": True}

    async def _whatsapp_person(self, body: dict[str, Any]) -> Any:
        number, text = str(body.get("from", "")), str(body.get("text", ""))
        if not number.removeprefix("whatsapp:").startswith("+") or not text:
            raise LeverError("expected from, such as +919812345678, and text")
        try:
            return {"ok": True, "call_back": await self._twilio.say(number, text)}
        except httpx.HTTPError as error:
            raise LeverError(f"the call-back for inbound messages failed: {type(error).__name__}") from None

    async def _webhook_secret(self, body: dict[str, Any]) -> Any:
        name, secret = str(body.get("name", "")), str(body.get("secret", ""))
        if not name or not self._webhook.expect(name, secret):
            raise LeverError("expected name, and secret such as whsec_..., or an empty one")
        return {"ok": True}

    async def _ntfy_token(self, body: dict[str, Any]) -> Any:
        if not self._ntfy.protect(str(body.get("topic", "")), str(body.get("token", ""))):
            raise LeverError("expected topic, and token such as tk_..., or an empty one")
        return {"ok": True}

    def _later(self, after_s: float, action: Callable[[], object]) -> None:
        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(after_s, act)
        self._timers.add(timer)


async def _body(request: Request) -> dict[str, Any]:
    text = await request.body()
    try:
        body = json.loads(text) if text else {}
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise LeverError("expected a JSON object")
    return body


def _number(value: object, name: str, least: float | None = 0.0) -> float:
    # Neither true nor NaN is one, though Python and its JSON take them for numbers.
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or (least is not None and value < least)
    ):
        raise LeverError(f"{name}: expected a number{'' if least is None else f' of at least {least:g}'}, was {value!r}")
    return float(value)
