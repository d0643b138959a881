"""WhatsApp, by Twilio.

WhatsApp takes free text only within 24 hours after the recipient wrote; at any other time it takes an approved template. Who
wrote is known from Twilio's call-back to the dashboard.
"""

import json
from typing import Any

import httpx
from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.rest import Client

from stormalert import process
from stormalert.channels.whatsapp import CHANNEL, error_of
from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, SettingsError
from stormalert.notify import templates
from stormalert.notify.description import UNKNOWN
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from workers.render import Message, cut
from workers.twilio_http import TwilioHttp

# WhatsApp takes 1,024 characters, those of the template's own text included.
_VARIABLES_MAX = 900
_VALIDITY_MAX_S = 14_400
_VARIABLES = ("headline", "details", *templates.PLACEHOLDERS)


class WhatsAppSender:
    def __init__(self, config: Settings) -> None:
        self._auth_token = config.twilio_auth_token.get_secret_value()
        self._from = _whatsapp(config.twilio_from_number)
        self._template = config.twilio_content_sid
        self._variables = _variables(config.twilio_content_variables)
        self._public_url = config.public_url.rstrip("/")
        self._http = TwilioHttp()
        self._client = Client(config.twilio_sid, self._auth_token, http_client=self._http)
        self._client.api.base_url = config.twilio_api_root
        self._redis = process.connect(config.redis_url, process.CONNECT_TIMEOUT_S)

    async def send(self, address: str, message: Message) -> str:
        is_template = bool(self._template) and not await self._may_write_freely(address)
        try:
            return await self._create(address, message, is_template)
        except TwilioRestException as error:
            if not self._template or is_template or not CHANNEL.meaning(error.code or 0).wants_template:
                raise self._translated(error) from None
        await self._forget(address)
        try:
            return await self._create(address, message, is_template=True)
        except TwilioRestException as error:
            raise self._translated(error) from None

    async def close(self) -> None:
        await self._redis.aclose()
        await self._http.close()

    async def _may_write_freely(self, address: str) -> bool:
        try:
            return bool(await self._redis.exists(keys.inbound(_number(address))))
        except REDIS_ERRORS:
            # A template may always be sent.
            return False

    async def _forget(self, address: str) -> None:
        try:
            await self._redis.delete(keys.inbound(_number(address)))
        except REDIS_ERRORS:
            return

    async def _create(self, address: str, message: Message, is_template: bool) -> str:
        content = self._content(message) if is_template else {"body": cut(message.text, CHANNEL.longest)}
        if self._public_url:
            content["status_callback"] = f"{self._public_url}/callbacks/twilio/{message.delivery}"
        return await self._call(address, message.useful_s, content)

    def _content(self, message: Message) -> dict[str, Any]:
        known = {**message.fields, "headline": message.headline, "details": message.details}
        # A code or a test has none of an alert's fields.
        names = self._variables if message.fields else [*("headline", "details"), *self._variables][: len(self._variables)]
        # WhatsApp refuses variables that are empty or hold line breaks.
        texts = _fitted([" ".join(known.get(name, "").split()) or "–" for name in names])
        variables = {str(number): text for number, text in enumerate(texts, 1)}
        return {"content_sid": self._template, "content_variables": json.dumps(variables, ensure_ascii=False)}

    async def _call(self, address: str, useful_s: int, content: dict[str, Any]) -> str:
        try:
            sent = await self._client.messages.create_async(
                to=_whatsapp(address),
                from_=self._from,
                # Twilio would else hold it for hours until the phone is reachable.
                validity_period=min(useful_s, _VALIDITY_MAX_S),
                **content,
            )
        except TwilioRestException:
            raise
        except TwilioServiceException as error:
            # The same in the form of RFC 9457.
            told = f"{error.title}: {error.detail}" if error.detail else error.title
            raise TwilioRestException(error.status, error.uri, told, error.code) from None
        except (TimeoutError, httpx.TimeoutException):
            raise CHANNEL.meaning("time-out").error() from None
        except (httpx.HTTPError, TwilioException) as error:
            raise UNKNOWN.error(type(error).__name__) from None
        return str(sent.sid)

    def _translated(self, error: TwilioRestException) -> DeliveryError:
        detail = f"Twilio {error.code or error.status}: {error.msg}".replace(self._auth_token, "***")
        return error_of(error.code or 0, detail, error.status)


def open_sender(config: Settings) -> WhatsAppSender:
    """Raises SettingsError when the template's variables are none."""
    return WhatsAppSender(config)


def _whatsapp(number: str) -> str:
    return f"whatsapp:{_number(number)}"


def _number(address: str) -> str:
    return address.removeprefix("whatsapp:")


def _fitted(texts: list[str]) -> list[str]:
    """Within what a template takes: what short ones leave is the long ones' share."""
    left, fitted = _VARIABLES_MAX, dict(enumerate(texts))
    for done, number in enumerate(sorted(fitted, key=lambda each: len(texts[each]))):
        fitted[number] = cut(texts[number], left // (len(texts) - done))
        left -= len(fitted[number])
    return list(fitted.values())


def _variables(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := [name for name in names if name not in _VARIABLES]:
        raise SettingsError([f"STORM_TWILIO_CONTENT_VARIABLES: expected some of {', '.join(_VARIABLES)}, was {unknown[0]!r}"])
    return names
