"""How long the certificates are good that are ours to renew: of the public address, the mail server and Redis."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from urllib.parse import urlsplit

from cryptography import x509

from ops.doctor.case import Case
from ops.doctor.finding import Finding, bad, good, place, wait
from ops.doctor.providers import mail_client
from stormalert.health import certificates
from stormalert.redis.cluster import plain_url
from stormalert.units import IST

# Let's Encrypt's are renewed thirty days before their end: with fewer left the renewal fails.
SOON_DAYS = 14
_ADVICE = "renew it; docs/operations.md says how, and why the renewal may have failed"


def check_certificates(case: Case) -> Iterator[Finding]:
    config = case.config
    for subject, url, port in (
        ("public address", config.public_url, 443),
        ("redis", plain_url(config.redis_url) or config.redis_url, 6379),
        ("queue redis", config.queue_url, 6379),
    ):
        if urlsplit(url).scheme in ("https", "rediss"):
            yield from _judged(f"certificate of {subject}", url, partial(certificates.of_server, url, port))
    if config.smtp_url:
        yield from _judged("certificate of mail", config.smtp_url, partial(_of_mail, config.smtp_url))


def _judged(subject: str, url: str, fetch: Callable[[], bytes | None]) -> Iterator[Finding]:
    try:
        certificate = fetch()
    except (OSError, smtplib.SMTPException):
        # Whoever does not answer is told of by its own check.
        return
    if certificate:
        ends = x509.load_der_x509_certificate(certificate).not_valid_after_utc
        yield judge_end(subject, place(url), ends, datetime.now(UTC))


def judge_end(subject: str, where: str, ends: datetime, now: datetime) -> Finding:
    day = f"{ends.astimezone(IST):%Y-%m-%d %H:%M} IST"
    days = (ends - now).days
    if ends <= now:
        return bad(subject, f"{where}: it ended on {day}", _ADVICE)
    if days < SOON_DAYS:
        return wait(subject, f"{where}: it ends in {days} day{'s' if days != 1 else ''}, on {day}", _ADVICE)
    return good(subject, f"{where}: good until {day}")


def _of_mail(url: str) -> bytes | None:
    with mail_client(url, certificates.anything()) as client:
        return client.sock.getpeercert(binary_form=True) if isinstance(client.sock, ssl.SSLSocket) else None
