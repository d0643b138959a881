"""The other way to get updates: Telegram posts them to us, with a secret by which we know it."""

import asyncio
import hashlib
import hmac
import json
import logging
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from telegram import Update
from telegram.error import TelegramError

from stormalert import asgi
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.process import Tasks, sleep_unless
from workers.bot.polling import TelegramOutage
from workers.bot.talk import WANTED, App

log = logging.getLogger("stormalert")

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a name, not a secret
# Telegram's are some kilobytes.
BODY_MAX = 256 * 1024
CHECK_S = 300.0


class Webhook:
    def __init__(self, application: App, config: Settings) -> None:
        self._application = application
        self._config = config
        self._url = config.telegram_webhook_url
        self._secret = secret(config)

    async def run_until(self, stopping: asyncio.Event) -> None:
        async with Tasks(stopping) as tasks:
            tasks.create_task(self._serve(stopping))
            tasks.create_task(self._announce(stopping))

    def app(self) -> Starlette:
        return Starlette(routes=[Route(urlsplit(self._url).path or "/", self._receive, methods=["POST"])])

    async def _receive(self, request: Request) -> Response:
        given = request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            return Response(status_code=403)
        try:
            body = b""
            async for part in request.stream():
                body += part
                if len(body) > BODY_MAX:
                    return Response(status_code=413)
            update = Update.de_json(json.loads(body), self._application.bot)
        except ClientDisconnect:
            return Response(status_code=400)
        except (ValueError, TypeError, KeyError, AttributeError):
            return Response(status_code=400)
        # Answered when it is done: Telegram posts again what was not answered.
        await self._application.process_update(update)
        return Response(status_code=200)

    async def _announce(self, stopping: asyncio.Event) -> None:
        """Tells Telegram where we are, now and then again: somebody else may have told it another place."""
        outage = TelegramOutage()
        while not stopping.is_set():
            try:
                await self._application.bot.set_webhook(self._url, secret_token=self._secret, allowed_updates=WANTED)
                outage.end()
                wait_s = CHECK_S
            except TelegramError as error:
                wait_s = outage.begin(error)
            await sleep_unless(stopping, wait_s)

    async def _serve(self, stopping: asyncio.Event) -> None:
        listening = asgi.listen(self._config.host, self._config.bot_port, "STORM_HOST, STORM_BOT_PORT")
        log.info("listening for telegram", extra={"address": f"http://{self._config.host}:{self._config.bot_port}/"})
        await asgi.serve_until(stopping, self.app(), listening, goodbye_s=1)


def secret(config: Settings) -> str:
    """Of the bot and this server: nobody has to choose one, and several processes have the same."""
    key = config.master_secret.get_secret_value() or config.jwt_secret.get_secret_value()
    if not key:
        raise StormError("JWT_SECRET is not set: a webhook needs it to know Telegram by")
    token = config.telegram_bot_token.get_secret_value()
    return hmac.new(key.encode(), f"webhook:{token}".encode(), hashlib.sha256).hexdigest()
