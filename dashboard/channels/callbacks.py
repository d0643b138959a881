"""Twilio's call-backs: how a WhatsApp message fares, and that somebody wrote. Open to strangers, so signed."""

import asyncio
import logging

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from twilio.request_validator import SIGNATURE_HEADER, RequestValidator

from dashboard import resources
from dashboard.channels import reports
from stormalert.channels import whatsapp
from stormalert.errors import Conflict, StormError
from stormalert.model import Delivery, DeliveryState
from stormalert.notify import alarms, channels, failures
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger("stormalert")

# How long a report waits for the worker to record what it sent.
_WAIT_S, _WAITS = 0.2, 10
_WHATSAPP = "whatsapp:"


class NotTwilio(Exception):
    """A request that is not Twilio's, with what it is answered."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.response = PlainTextResponse(f"{sentence}\n", status)


async def status(request: Request) -> Response:
    """POST /callbacks/twilio/<delivery>"""
    try:
        form = await _form(request)
        await _take_report(request.path_params["delivery"], form)
    except NotTwilio as refused:
        return refused.response
    except (*REDIS_ERRORS, StormError) as error:
        log.warning("report not taken", extra={"reason": type(error).__name__})
        return PlainTextResponse("Try again in a moment.\n", 503)
    return Response(status_code=204)


async def inbound(request: Request) -> Response:
    """POST /callbacks/whatsapp: whoever writes may get free text for 24 hours."""
    try:
        form = await _form(request)
        sender = _text(form, "From")
        if sender.startswith(_WHATSAPP):
            await resources.loop_redis().set(keys.inbound(sender.removeprefix(_WHATSAPP)), now_ms(), ex=keys.inbound.kept_s)
    except NotTwilio as refused:
        return refused.response
    except REDIS_ERRORS as error:
        log.warning("inbound message not noted", extra={"reason": type(error).__name__})
        return PlainTextResponse("Try again in a moment.\n", 503)
    # Nothing to say in return.
    return Response("<Response/>", media_type="text/xml")


async def _form(request: Request) -> FormData:
    """Raises NotTwilio."""
    config = resources.config()
    secret = config.twilio_auth_token.get_secret_value()
    if not secret or not config.public_url:
        raise NotTwilio(404, "TWILIO_AUTH_TOKEN and STORM_PUBLIC_URL are not set.")
    form = await request.form()
    # Signed is the address that Twilio knows, not the one behind our proxy.
    url = config.public_url.rstrip("/") + request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if not RequestValidator(secret).validate(url, form, request.headers.get(SIGNATURE_HEADER, "")):
        raise NotTwilio(403, "The signature is not Twilio's.")
    return form


async def _take_report(message: str, form: FormData) -> None:
    sid, code = _text(form, "MessageSid"), _text(form, "ErrorCode")
    for _ in range(_WAITS):
        told, is_early = await asyncio.to_thread(_told, resources.store(), message, sid)
        if not is_early:
            break
        await asyncio.sleep(_WAIT_S)
    for delivery in told:
        status, number = _text(form, "MessageStatus"), int(code) if code.isdecimal() else 0
        await _record(delivery, message, sid, status, number, _text(form, "To"))


def _told(store: Store, message: str, sid: str) -> tuple[list[Delivery], bool]:
    """The deliveries that a message told, and whether its worker may not have recorded that yet."""
    if delivery := store.delivery(message):
        return [delivery], reports.is_early(delivery, sid)
    # One of several: its id is the summary's and a digest.
    together = store.deliveries_in(message.rpartition("-")[0])
    told = [delivery for delivery in together if delivery.provider_id == sid]
    return told, bool(together) and not told


async def _record(first: Delivery, message: str, sid: str, status: str, code: int, to: str) -> None:
    store, has_template = resources.store(), bool(resources.config().twilio_content_sid)
    delivery: Delivery | None = first
    while delivery is not None:
        changed = reports.after(delivery, sid, status, code, has_template=has_template, now_ms=now_ms())
        if changed is None:
            return
        # Before it is recorded: a report comes once, and what was recorded says nothing new any more.
        if code:
            await _act(store, delivery, code, to.removeprefix(_WHATSAPP))
        if changed.state is DeliveryState.QUEUED:
            # With the mark the message would count as sent.
            await resources.loop_redis().delete(keys.sent(message))
        try:
            await asyncio.to_thread(store.save_delivery, changed)
        except Conflict:
            delivery = await asyncio.to_thread(store.delivery, delivery.id)
        else:
            await asyncio.to_thread(_count, store, changed, code)
            log.info("delivery reported", extra={"delivery": delivery.id, "state": changed.state, "reason": changed.reason})
            return


def _count(store: Store, delivery: Delivery, code: int) -> None:
    """What fails one after another, so that its owner hears of it; a dead address is told of by itself."""
    client, meaning = resources.thread_redis(), whatsapp.CHANNEL.meaning(code)
    if delivery.state is DeliveryState.FAILED and not meaning.is_address_dead:
        cause = meaning.reason if code else "failed without a code"
        failures.failed(store, client, delivery.channel, cause, delivery.reason, failures.When.REPORTED)
    elif delivery.state in (DeliveryState.DELIVERED, DeliveryState.READ):
        failures.got_through(client, [delivery.channel], failures.When.REPORTED)


async def _act(store: Store, delivery: Delivery, code: int, number: str) -> None:
    meaning, has_template = whatsapp.CHANNEL.meaning(code), bool(resources.config().twilio_content_sid)
    reason = whatsapp.reason_of(code, has_template=has_template)
    if meaning.wants_template:
        await resources.loop_redis().delete(keys.inbound(number))
    if meaning.needs_admin or (meaning.wants_template and not has_template):
        await asyncio.to_thread(alarms.raise_alarm, store, delivery.channel_kind, reason)
    channel = await asyncio.to_thread(store.channel, delivery.channel) if meaning.is_address_dead else None
    if channel is not None and channel.address == number:
        await asyncio.to_thread(channels.switch_off, store, resources.thread_redis(), channel, reason)


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, ""))
