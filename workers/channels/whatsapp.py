"""WhatsApp, by Twilio."""

import asyncio

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.settings import Settings
from workers.render import Message

# Of each step of the connection; the library's default is to wait for ever.
_TIMEOUT_S = 6.0
# Twilio limits concurrent requests and does not say how long to wait.
_RATE_PAUSE_S = 2.0
_RECIPIENT_RATE_PAUSE_S = 10.0
_BODY_MAX = 1600
_VALIDITY_MAX_S = 14_400

# Twilio's error codes (twilio.com/docs/api/errors). What is not listed is tried again.
_RATE = {20429: _RATE_PAUSE_S, 63018: _RECIPIENT_RATE_PAUSE_S}
_DEAD_ADDRESS = {
    21610: "opted out by the recipient",
    63014: "blocked by the recipient",
    63015: "the recipient has not joined the sandbox",
    21211: "not a WhatsApp number",
    21614: "not a WhatsApp number",
    63024: "not a WhatsApp number",
}
_PERMANENT = {
    20003: "credentials refused",
    63003: "the sender is not a WhatsApp channel",
    63007: "the sender is not a WhatsApp channel",
    63005: "content refused",
    63021: "content refused",
    63016: "outside the 24 hours after the recipient's last message",
    63032: "declined by Meta",
    63049: "declined by Meta",
}


class WhatsAppSender:
    def __init__(self, sid: str, auth_token: str, from_number: str, api_root: str) -> None:
        self._auth_token = auth_token
        self._from = _whatsapp(from_number)
        self._http = TwilioHttpClient(timeout=_TIMEOUT_S)
        self._client = Client(sid, auth_token, http_client=self._http)
        self._client.api.base_url = api_root

    async def send(self, address: str, message: Message) -> str:
        # In a thread: Twilio's asynchronous client makes its connection anew for each event loop and message.
        return await asyncio.to_thread(self._send, address, message)

    async def close(self) -> None:
        if self._http.session is not None:
            self._http.session.close()

    def _send(self, address: str, message: Message) -> str:
        try:
            sent = self._client.messages.create(
                to=_whatsapp(address),
                from_=self._from,
                body=message.text[:_BODY_MAX],
                # Twilio would else hold it for hours until the phone is reachable.
                validity_period=min(message.useful_s, _VALIDITY_MAX_S),
            )
        except TwilioRestException as error:
            raise self._translated(error) from None
        except requests.Timeout:
            raise Retryable("timed out") from None
        except (requests.RequestException, TwilioException) as error:
            raise Retryable("provider error", type(error).__name__) from None
        return str(sent.sid)

    def _translated(self, error: TwilioRestException) -> DeliveryError:
        detail = f"Twilio {error.code or error.status}: {error.msg}".replace(self._auth_token, "***")
        code = error.code or 0
        if code in _RATE or error.status == 429:
            return Retryable("rate limited", detail, after_s=_RATE.get(code, _RATE_PAUSE_S))
        if code in _DEAD_ADDRESS:
            return Permanent(_DEAD_ADDRESS[code], detail, is_address_dead=True)
        if code in _PERMANENT:
            return Permanent(_PERMANENT[code], detail)
        return Retryable("provider error", detail)


def open_whatsapp(config: Settings) -> WhatsAppSender | None:
    auth_token = config.twilio_auth_token.get_secret_value()
    if not (config.twilio_sid and auth_token and config.twilio_from_number):
        return None
    return WhatsAppSender(config.twilio_sid, auth_token, config.twilio_from_number, config.twilio_api_root)


def _whatsapp(number: str) -> str:
    return f"whatsapp:{number.removeprefix('whatsapp:')}"
