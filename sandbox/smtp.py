"""A mail server that delivers into the outbox."""

import asyncio
import ssl
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox.drip import before
from sandbox.faults import ChannelFaults, Trouble, hang
from sandbox.outbox import Outbox
from sandbox.rates import Rates

TAKEN = "250 2.0.0 OK"
REPLIES = {
    Trouble.TOO_MANY: "421 4.7.28 Rate limit exceeded, try again later",
    Trouble.SERVER_ERROR: "451 4.3.0 Temporary server error",
}


class _DrippingSmtp(SMTP):
    def __init__(self, faults: ChannelFaults, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._faults = faults

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Once more when it is encrypted from now on; what goes out beneath that drips already.
        is_encrypted = transport.get_extra_info("sslcontext") is not None
        super().connection_made(transport if is_encrypted else before(transport, lambda: self._faults.drip))


class Mailbox:
    """Decides about recipients and messages; aiosmtpd calls the handle_* methods by their names."""

    def __init__(
        self, outbox: Outbox, faults: ChannelFaults, rates: Rates, login: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        self._outbox, self._faults, self._rates = outbox, faults, rates
        self._login, self._tls = login, tls

    def protocol(self) -> asyncio.Protocol:
        """Make the protocol of one connection; without a login of ours any user and password will do."""
        return _DrippingSmtp(
            self._faults,
            self,
            hostname="sandbox.invalid",
            ident="StormAlert sandbox",
            authenticator=self._authenticate,
            auth_required=bool(self._login),
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            tls_context=self._tls,
        )

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: object) -> AuthResult:
        if refusal := self._faults.answers.get("AUTH"):
            return AuthResult(success=False, handled=False, message=refusal)
        is_right = isinstance(given, LoginPassword) and given.login + b":" + given.password == self._login.encode()
        return AuthResult(success=is_right or not self._login, handled=False, auth_data=given)

    async def handle_MAIL(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if refusal := self._faults.answers.get("MAIL"):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return TAKEN

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address in self._faults.blocked:
            return f"550 5.1.1 <{address}> refuses mail"
        if refusal := self._faults.answers.get(address):
            return refusal
        code = self._faults.errors.get(address)
        if code:
            return f"{code} {code // 100}.0.0 Refused by the sandbox"
        envelope.rcpt_tos.append(address)
        return TAKEN

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if refusal := self._faults.answers.get("DATA"):
            return refusal
        trouble = Trouble.TOO_MANY if self._rates.smtp() else self._faults.next_trouble()
        if trouble in REPLIES:
            return REPLIES[trouble]
        if trouble is Trouble.TIME_OUT:
            await hang()
            return "451 4.4.2 Timed out"
        raw = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        for recipient in envelope.rcpt_tos:
            content = _content(raw, envelope.mail_from or "") | {"encrypted": session.ssl is not None}
            self._outbox.add("email", recipient, content)
        if trouble is Trouble.LOST_REPLY:
            await hang()
        return TAKEN


def _content(raw: bytes, sender: str) -> dict[str, object]:
    mail = message_from_bytes(raw, policy=policy.default)
    return {
        "subject": str(mail["subject"] or ""),
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "raw": {"sender": sender, "headers": {name: str(value) for name, value in mail.items()}},
    }


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).rstrip() if part is not None else ""
