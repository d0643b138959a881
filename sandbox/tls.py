"""TLS with a certificate made for the occasion, a fault that fails every handshake, and what is trusted the other way round."""

import ssl
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox.faults import StreamFaults

LIVES = timedelta(days=30)


@cache
def trust() -> ssl.SSLContext:
    """For calling back: made once, because to read all authorities takes tens of milliseconds in which nothing else happens."""
    return httpx.create_ssl_context()


def tls_context(folder: Path, faults: StreamFaults) -> ssl.SSLContext:
    """A server's context; key and certificate are left in the folder, because ssl reads them from files only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sandbox.invalid")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIVES)
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    file.touch(0o600)
    pkcs8 = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    # Asked at every handshake, whether or not the client named a server.
    def fail_or_not(*_: object) -> int | None:
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if faults.tls_error else None

    context.sni_callback = fail_or_not
    return context
