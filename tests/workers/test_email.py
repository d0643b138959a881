"""What the sandbox's mail server does not do: encryption, and refusing a password. A server of the test's own does."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stormalert.access.security import is_unsubscribe_token
from stormalert.config import settings
from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import ChannelKind
from tests.conftest import free_port
from tests.workers.fixtures import Bench, Post, Sandbox, refused
from workers.channels import open_channels
from workers.loop import Loop
from workers.render import Message

TEXT = Message("rule1-1-channel1", "▲ NSE:INFY 1,384.55", "from 1,355.70", useful_s=60)
PASSWORD = "mail-secret"


class EncryptedMailbox:
    """Notes of each mail whether it came encrypted; takes no password but the right one."""

    def __init__(self) -> None:
        self.encrypted: list[bool] = []
        self.reply = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if not self.reply:
            envelope.rcpt_tos.append(address)
        return self.reply or "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture
def certificate(tmp_path: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(hours=1), now + timedelta(hours=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(secret)
    (tmp_path / "cert.pem").write_bytes(pem)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[EncryptedMailbox, int]]]:
    with ExitStack() as servers:

        def start(**options: Any) -> tuple[EncryptedMailbox, int]:
            mailbox, port = EncryptedMailbox(), free_port()
            server = Controller(mailbox, "127.0.0.1", port, authenticator=mailbox.authenticate, **options)
            server.start()
            servers.callback(server.stop)
            return mailbox, port

        yield start


@pytest.fixture
def send() -> Iterator[Callable[[str], str]]:
    with Loop() as loop:

        def send_one(url: str) -> str:
            channels = loop.run(open_channels(settings.parse({"SMTP_URL": url})))
            try:
                return Post(channels, loop).send(ChannelKind.EMAIL, "trader@storm.example", TEXT)
            finally:
                for sender in channels.values():
                    loop.run(sender.close())

        yield send_one


def trust(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))


def test_starttls_is_used_when_it_is_offered(
    serve: Callable[..., tuple[EncryptedMailbox, int]],
    send: Callable[[str], str],
    certificate: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    trust(monkeypatch, tmp_path)
    mailbox, port = serve(tls_context=certificate)
    send(f"smtp://storm:{PASSWORD}@localhost:{port}")
    assert mailbox.encrypted == [True]


def test_smtps_is_encrypted_from_the_first_byte(
    serve: Callable[..., tuple[EncryptedMailbox, int]],
    send: Callable[[str], str],
    certificate: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    trust(monkeypatch, tmp_path)
    mailbox, port = serve(ssl_context=certificate)
    send(f"smtps://localhost:{port}")
    assert mailbox.encrypted == [True]


def test_a_server_that_nobody_vouches_for_gets_no_mail(
    serve: Callable[..., tuple[EncryptedMailbox, int]], send: Callable[[str], str], certificate: ssl.SSLContext
) -> None:
    mailbox, port = serve(tls_context=certificate)
    with pytest.raises(Retryable, match="provider error"):
        send(f"smtp://localhost:{port}")
    assert mailbox.encrypted == []


def test_a_refused_password_is_permanent_and_not_told(
    serve: Callable[..., tuple[EncryptedMailbox, int]], send: Callable[[str], str]
) -> None:
    _mailbox, port = serve(auth_require_tls=False)
    with pytest.raises(Permanent) as refusal:
        send(f"smtp://storm:wrong-secret@localhost:{port}")
    assert not refusal.value.is_address_dead
    # With the provider's code.
    assert str(refusal.value).startswith("credentials refused: check SMTP_URL; 535")
    assert "wrong-secret" not in str(refusal.value)


def test_a_password_is_not_sent_in_the_clear_to_another_host(
    serve: Callable[..., tuple[EncryptedMailbox, int]], send: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox, port = serve(auth_require_tls=False)
    # The same server, by a name that does not look like this machine.
    monkeypatch.setattr("workers.channels.email._is_loopback", lambda _host: False)
    with pytest.raises(DeliveryError):
        send(f"smtp://storm:{PASSWORD}@localhost:{port}")
    assert mailbox.encrypted == []


# The sandbox's mail server, through the whole channel.


@pytest.fixture
def bench(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    linked = {"STORM_PUBLIC_URL": "https://storm.example/", "JWT_SECRET": "j" * 32}
    return Bench(ChannelKind.EMAIL, open_post(environment | linked), sandbox)


def test_a_mail_has_the_deliverys_own_message_id_and_two_bodies(bench: Bench, text: Message) -> None:
    provider_id = bench.send(text)
    (sent,) = bench.sandbox.outbox("email")
    assert provider_id == "<rule1-1-channel1@storm.example>" == sent["raw"]["headers"]["Message-ID"]
    assert sent["subject"].startswith("▲ NSE:INFY 1,384.55")
    assert "<strong>▲ NSE:INFY" in sent["html"]


def test_a_mail_has_a_signed_link_that_ends_it(bench: Bench, text: Message) -> None:
    bench.send(text)
    (sent,) = bench.sandbox.outbox("email")
    headers = sent["raw"]["headers"]
    link = headers["List-Unsubscribe"].strip("<>")
    token = link.removeprefix("https://storm.example/unsubscribe/")
    assert is_unsubscribe_token(token, "channel1", bench.address, "j" * 32)
    assert not is_unsubscribe_token(token, "channel2", bench.address, "j" * 32)
    assert not is_unsubscribe_token(token, "channel1", "else@storm.example", "j" * 32)
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in sent["text"] and link in sent["html"]


def test_without_a_public_address_a_mail_has_no_link(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    Bench(ChannelKind.EMAIL, open_post(environment), sandbox).send(text)
    assert "List-Unsubscribe" not in sandbox.outbox("email")[0]["raw"]["headers"]


def test_no_header_can_be_slipped_in(bench: Bench, text: Message) -> None:
    bench.send(replace(text, headline="x\r\nBcc: thief@storm.example\n\nbody " + "y" * 500))
    (sent,) = bench.sandbox.outbox("email")
    assert "Bcc" not in sent["raw"]["headers"]
    assert sent["subject"].startswith("x Bcc: thief@storm.example body yyy") and len(sent["subject"]) <= 200
    error = refused(bench, text, "trader@storm.example\nBcc: thief@storm.example")
    assert isinstance(error, Permanent) and error.is_address_dead
