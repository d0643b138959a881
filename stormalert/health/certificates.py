"""A server's certificate as it is shown to everybody, believed or not, and when it ends."""

import socket
import ssl
from urllib.parse import urlsplit

from cryptography import x509

ASK_S = 4


def ends_ms(url: str) -> int:
    """In epoch milliseconds; 0 when nobody can tell, or there is none."""
    if urlsplit(url).scheme != "https":
        return 0
    try:
        return ends_ms_of(of_server(url, 443))
    except (OSError, ValueError):
        return 0


def ends_ms_of(certificate: bytes) -> int:
    """Raises ValueError when it is none."""
    return int(x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp()) * 1_000


def of_server(url: str, port: int) -> bytes:
    """In DER. Raises OSError."""
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname or "", parts.port or port), ASK_S) as plain,
        anything().wrap_socket(plain, server_hostname=parts.hostname) as encrypted,
    ):
        return encrypted.getpeercert(binary_form=True) or b""


def anything() -> ssl.SSLContext:
    """Looks at a certificate without believing it; whoever talks to the server does not do without."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
