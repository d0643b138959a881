"""E-mail, by aiosmtplib."""

import socket
import time
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from functools import partial
from html import escape
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPAuthenticationError,
    SMTPConnectResponseError,
    SMTPException,
    SMTPHeloError,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
    SMTPTimeoutError,
)

from stormalert.access.security import unsubscribe_token
from stormalert.channels.email import CHANNEL
from stormalert.config.mail_address import sender_of
from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError
from stormalert.notify.description import UNKNOWN
from stormalert.notify.smtp_answer import Stage, row_of
from workers.deadlines import STEP_S
from workers.render import Message, cut

# Servers drop a connection that is idle for longer, the strict ones after some ten seconds.
_IDLE_S = 8.0
_SUBJECT_MAX = 200


class EmailSender:
    def __init__(self, config: Settings) -> None:
        self._sender = config.mail_from
        self._public_url = config.public_url.rstrip("/")
        self._secret = config.jwt_secret.get_secret_value()
        self._password = unquote(urlsplit(config.smtp_url).password or "")
        self._new_client = partial(_client, config.smtp_url)
        # Connections that nobody uses, and since when; one takes one mail at a time.
        self._idle: list[tuple[SMTP, float]] = []

    async def send(self, address: str, message: Message) -> str:
        mail = compose(self._sender, address, message, self._unsubscribe_url(address, message))
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

    def _unsubscribe_url(self, address: str, message: Message) -> str:
        """Empty where nobody could open it."""
        if not (self._public_url and self._secret and message.channel):
            return ""
        return f"{self._public_url}/unsubscribe/{unsubscribe_token(message.channel, address, self._secret)}"

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
                return CHANNEL.meaning("time-out").error()
            case SMTPAuthenticationError():
                return self._answer(Stage.LOGIN, error.code, error.message)
            case SMTPRecipientsRefused():
                refusal = error.recipients[0]
                return self._answer(Stage.RECIPIENT, refusal.code, refusal.message)
            case SMTPSenderRefused():
                return self._answer(Stage.SENDER, error.code, error.message)
            case SMTPConnectResponseError() | SMTPHeloError():
                return self._answer(Stage.GREETING, error.code, error.message)
            case SMTPResponseException():
                return self._answer(Stage.CONTENT, error.code, error.message)
            case SMTPNotSupported():
                return CHANNEL.meaning("not supported").error(str(error))
            case _:
                return UNKNOWN.error(type(error).__name__)

    def _answer(self, stage: Stage, code: int, text: str) -> DeliveryError:
        text = " ".join(text.split())
        detail = f"{code} {text.replace(self._password, '***') if self._password else text}"
        return CHANNEL.meaning(row_of(stage, code, text)).error(detail)


def open_sender(config: Settings) -> EmailSender:
    return EmailSender(config)


def compose(sender: str, address: str, message: Message, unsubscribe_url: str = "") -> EmailMessage:
    """Raises Permanent when the address is none."""
    mail = EmailMessage()
    try:
        mail["To"] = Address(addr_spec=address)
    except (MessageError, ValueError, IndexError):
        raise CHANNEL.meaning("not an address").error() from None
    name, sender_address = sender_of(sender)
    # Quoted and encoded as the name wants it.
    mail["From"] = Address(name, addr_spec=sender_address)
    # In one line, and so are all other headers: EmailMessage takes no line break in one.
    mail["Subject"] = cut(" ".join(message.headline.split()), _SUBJECT_MAX)
    mail["Date"] = formatdate()
    # The delivery's own, so that a mail that went out twice is recognized as one.
    mail["Message-ID"] = f"<{message.delivery}@{sender_address.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    text, html = f"{message.text}\n", f"<p><strong>{escape(message.headline)}</strong><br>{_lines(message.details)}</p>\n"
    if unsubscribe_url:
        mail["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        # RFC 8058: the mail program may do it by itself, with one POST.
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        text += f"\n-- \nNo more alerts to this address: {unsubscribe_url}\n"
        html += f'<p><small><a href="{escape(unsubscribe_url)}">No more alerts to this address</a></small></p>\n'
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    return mail


def _lines(text: str) -> str:
    return "<br>".join(escape(line) for line in text.splitlines())


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
        timeout=STEP_S,
        # Else the library asks the name service anew for each connection.
        local_hostname=socket.getfqdn(),
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
