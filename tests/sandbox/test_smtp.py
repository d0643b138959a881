"""The real aiosmtplib against the stand-in."""

import ssl
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest


def mail(to: str = "trader@example.com") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "alerts@example.com", to, "RELIANCE ↑ 0.52 %"
    message["Message-ID"] = "<alert-1@example.com>"
    message.set_content("₹1,520.00 → ₹1,527.90")
    message.add_alternative("<p>₹1,520.00</p>", subtype="html")
    return message


async def send(sandbox: Any, message: EmailMessage, **options: Any) -> None:
    await aiosmtplib.send(message, hostname="127.0.0.1", port=sandbox.smtp_port, use_tls=False, **options)


async def test_a_mail_lands_in_the_outbox_with_both_bodies(sandbox: Any) -> None:
    await send(sandbox, mail())
    (message,) = sandbox.outbox("email")
    assert (message["to"], message["subject"]) == ("trader@example.com", "RELIANCE ↑ 0.52 %")
    assert (message["text"], message["html"]) == ("₹1,520.00 → ₹1,527.90", "<p>₹1,520.00</p>")
    assert message["raw"]["headers"]["Message-ID"] == "<alert-1@example.com>"


async def test_every_recipient_has_a_message(sandbox: Any) -> None:
    await send(sandbox, mail("a@example.com, b@example.com"))
    assert [message["to"] for message in sandbox.outbox("email")] == ["a@example.com", "b@example.com"]


async def test_any_user_and_password_will_do(sandbox: Any) -> None:
    await send(sandbox, mail(), username="anyone", password="anything")
    assert len(sandbox.outbox("email")) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"blocked": ["trader@example.com"]}, 550),
        ({"errors": {"trader@example.com": 452}}, 452),
    ],
)
async def test_a_refused_recipient_has_its_code(sandbox: Any, fault: dict[str, Any], code: int) -> None:
    sandbox.fault(smtp=fault)
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refused:
        await send(sandbox, mail())
    assert refused.value.recipients[0].code == code
    assert sandbox.outbox() == []


@pytest.mark.parametrize(("fault", "code"), [({"too_many": 1.0}, 421), ({"server_error": 1.0}, 451)])
async def test_temporary_trouble_is_a_4xx(sandbox: Any, fault: dict[str, float], code: int) -> None:
    sandbox.fault(smtp=fault)
    with pytest.raises(aiosmtplib.SMTPResponseException) as refused:
        await send(sandbox, mail())
    assert refused.value.code == code


async def test_a_time_out_takes_nothing(sandbox: Any) -> None:
    sandbox.fault(smtp={"time_out": 1.0})
    with pytest.raises(aiosmtplib.SMTPTimeoutError):
        await send(sandbox, mail(), timeout=0.5)
    assert sandbox.outbox() == []


async def test_starttls_is_offered_under_a_certificate_that_can_be_trusted(start_sandbox: Any, tmp_path: Path) -> None:
    sandbox = start_sandbox("--smtp-tls", "--smtp-login=storm:secret", state=tmp_path)
    trusting = ssl.create_default_context(cafile=tmp_path / "smtp-certificate.pem")
    await send(sandbox, mail(), start_tls=True, tls_context=trusting, username="storm", password="secret")
    assert [message["encrypted"] for message in sandbox.outbox("email")] == [True]


async def test_a_login_that_was_asked_for_must_be_right(start_sandbox: Any) -> None:
    sandbox = start_sandbox("--smtp-login=storm:secret")
    with pytest.raises(aiosmtplib.SMTPAuthenticationError):
        await send(sandbox, mail(), username="storm", password="wrong")
    with pytest.raises(aiosmtplib.SMTPException):
        await send(sandbox, mail())
    assert sandbox.outbox() == []
    await send(sandbox, mail(), username="storm", password="secret")
    assert [message["encrypted"] for message in sandbox.outbox("email")] == [False]
