"""E-mail, by aiosmtplib."""

import re
import socket
import time
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from functools import partial
from html import escape
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.settings import Settings
from workers.render import Message

_TIMEOUT_S = 6.0
# Servers drop a connection that is idle for longer, the strict ones after some ten seconds.
_IDLE_S = 8.0
_RATE_PAUSE_S = 15.0
_RATE_CODES = (421, 450)
# 5.7.x refuses us (policy, spam, relaying), not the address.
_POLICY = re.compile(r"5\.7\.\d+")


class EmailSender:
    def __init__(self, smtp_url: str, sender: str) -> None:
        self._sender = sender
        self._password = unquote(urlsplit(smtp_url).password or "")
        self._new_client = partial(_client, smtp_url)
        # Connections that nobody uses, and since when; one takes one mail at a time.
        self._idle: list[tuple[SMTP, float]] = []

    async def send(self, address: str, message: Message) -> str:
        mail = compose(self._sender, address, message)
        client = self._free_client()
        is_sent = False
        try:
            if not client.is_connected:
                await client.connect()
            await client.send_message(mail)
            is_sent = True
        except (SMTPException, OSError) as error:
            raise self._translated(error) from None
        finally:
            # Cancelled or failed half-way, the connection is of no use any more.
            if is_sent:
                self._idle.append((client, time.monotonic()))
            else:
                client.close()
        return str(mail["Message-ID"])

    async def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def _free_client(self) -> SMTP:
        while self._idle:
            client, used_s = self._idle.pop()
            if client.is_connected and time.monotonic() - used_s < _IDLE_S:
                return client
            client.close()
        return self._new_client()

    def _translated(self, error: SMTPException | OSError) -> DeliveryError:
        match error:
            case SMTPTimeoutError():
                return Retryable("timed out")
            case SMTPAuthenticationError(code=code) if code >= 500:
                return Permanent("credentials refused", "check SMTP_URL")
            case SMTPRecipientsRefused():
                refusal = error.recipients[0]
                return self._answer(refusal.code, refusal.message, is_about_address=True)
            case SMTPResponseException():
                return self._answer(error.code, error.message, is_about_address=False)
            case _:
                return Retryable("provider error", type(error).__name__)

    def _answer(self, code: int, text: str, is_about_address: bool) -> DeliveryError:
        text = " ".join(text.split())
        detail = f"{code} {text.replace(self._password, '***') if self._password else text}"
        if code in _RATE_CODES:
            return Retryable("rate limited", detail, after_s=_RATE_PAUSE_S)
        if code < 500:
            return Retryable("provider error", detail)
        is_dead = is_about_address and not _POLICY.match(text)
        return Permanent("address refused" if is_dead else "refused", detail, is_address_dead=is_dead)


def open_email(config: Settings) -> EmailSender | None:
    return EmailSender(config.smtp_url, config.mail_from) if config.smtp_url else None


def compose(sender: str, address: str, message: Message) -> EmailMessage:
    """Raises Permanent when the address is none."""
    mail = EmailMessage()
    try:
        mail["To"] = Address(addr_spec=address)
    except (MessageError, ValueError, IndexError):
        raise Permanent("not an e-mail address", is_address_dead=True) from None
    mail["From"] = sender
    mail["Subject"] = message.headline
    mail["Date"] = formatdate()
    # The delivery's own, so that a mail that went out twice is recognized as one.
    mail["Message-ID"] = f"<{message.delivery}@{parseaddr(sender)[1].rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(f"{message.text}\n")
    headline, details = escape(message.headline), escape(message.details)
    mail.add_alternative(f"<p><strong>{headline}</strong><br>{details}</p>\n", subtype="html")
    return mail


def _client(smtp_url: str) -> SMTP:
    parts = urlsplit(smtp_url)
    is_tls = parts.scheme == "smtps"
    host, user = parts.hostname or "localhost", unquote(parts.username or "")
    # None: when offered. A password goes to another host only when it is encrypted.
    start_tls = False if is_tls else (True if user and not _is_loopback(host) else None)
    return SMTP(
        hostname=host,
        port=parts.port or (465 if is_tls else 587),
        use_tls=is_tls,
        start_tls=start_tls,
        username=user or None,
        password=unquote(parts.password or "") or None,
        timeout=_TIMEOUT_S,
        # Else the library asks the name service anew for each connection.
        local_hostname=socket.getfqdn(),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
