"""GET and POST /unsubscribe/<token>: the link in every mail, which needs no sign-in.

A GET only asks, because mail scanners open links. The POST is the button of that page, or the mail program's own (RFC 8058).
"""

import asyncio
import logging

from starlette.requests import Request
from starlette.responses import Response

from dashboard import resources
from dashboard.accounts import authentication
from dashboard.web.html import page, sentence_page
from stormalert.access.security import is_unsubscribe_token
from stormalert.errors import StormError
from stormalert.model import Channel
from stormalert.notify import channels

log = logging.getLogger("stormalert")

REASON = "unsubscribed by the link in an e-mail"
_TITLE = "Alerts by e-mail"


async def ask(request: Request) -> Response:
    return await _answered(request, is_meant=False)


async def unsubscribe(request: Request) -> Response:
    return await _answered(request, is_meant=True)


async def _answered(request: Request, *, is_meant: bool) -> Response:
    token = request.path_params["token"]
    try:
        channel = await asyncio.to_thread(_channel_of, token)
        if channel is None:
            return sentence_page(_TITLE, "This link is not good any more; sign in to see your channels.", 404, "/settings")
        if not channel.is_on:
            return sentence_page(_TITLE, f"No more alerts go to {channel.address}. Sign in to switch them on again.", 200)
        if not is_meant:
            question = f"Shall no more alerts go to {channel.address}?"
            return page("question.html", title=_TITLE, question=question, button="No more alerts")
        await asyncio.to_thread(_switch_off, channel)
    except StormError as error:
        log.warning("unsubscribing failed", extra={"reason": str(error)})
        return sentence_page(_TITLE, "The store does not answer; try again in a moment.", 503)
    return sentence_page(_TITLE, f"No more alerts go to {channel.address}. Sign in to switch them on again.", 200)


def _channel_of(token: str) -> Channel | None:
    channel = resources.store().channel(token.partition(".")[0])
    if channel is None:
        return None
    config = resources.config()
    secrets = [secret.get_secret_value() for secret in (config.jwt_secret, config.jwt_secret_previous)]
    is_ours = any(is_unsubscribe_token(token, channel.id, channel.address, secret) for secret in secrets if secret)
    return channel if is_ours else None


def _switch_off(channel: Channel) -> None:
    channels.change(resources.store(), channel, is_on=False, reason=REASON)
    authentication.record(channel.user, "unsubscribed", channel.id)
