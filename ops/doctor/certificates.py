"""How long the certificates are good that are ours to renew: of the public address, the mail server and Redis."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from ops.doctor.case import Case
from ops.doctor.providers import mail_client
from ops.doctor.secrets import place
from ops.doctor.web import ASK_S
from ops.doctor.within import within
from stormalert.health import certificates
from stormalert.health.checks.servers import of_certificate
from stormalert.health.finding import Finding
from stormalert.redis.cluster import plain_url
from stormalert.units import now_ms


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


def _judged(part: str, url: str, fetch: Callable[[], bytes | None]) -> Iterator[Finding]:
    try:
        certificate = within(ASK_S, fetch)
    except (OSError, smtplib.SMTPException):
        # Whoever does not answer is told of by its own check.
        return
    if certificate:
        found = of_certificate(f"The certificate of {place(url)}", certificates.ends_ms_of(certificate), now_ms())
        yield found._replace(part=part)


def _of_mail(url: str) -> bytes | None:
    with mail_client(url, certificates.anything()) as client:
        return client.sock.getpeercert(binary_form=True) if isinstance(client.sock, ssl.SSLSocket) else None
