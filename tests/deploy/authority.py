"""A certificate authority for one test, and the certificates that it signs."""

import base64
import hashlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("A throw-away authority")
        own = self._signed(self._name, self._key.public_key(), x509.BasicConstraints(ca=True, path_length=0))
        self._certificate = own.sign(self._key, hashes.SHA256())
        # What every certificate is made for, so that a browser can be told to trust it.
        self._servers_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def trust(self) -> ssl.SSLContext:
        """That of a client who knows this authority and no other."""
        return ssl.create_default_context(cadata=self._certificate.public_bytes(serialization.Encoding.PEM).decode())

    @property
    def key_digest(self) -> str:
        """As Chromium takes it."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        public = self._servers_key.public_key().public_bytes(serialization.Encoding.DER, form)
        return base64.b64encode(hashlib.sha256(public).digest()).decode()

    def certify(self, domain: str, directory: Path) -> int:
        """Write the files as certbot names them; the certificate's serial number."""
        directory.mkdir(parents=True, exist_ok=True)
        name = x509.SubjectAlternativeName([x509.DNSName(domain)])
        certificate = self._signed(_named(domain), self._servers_key.public_key(), name).sign(self._key, hashes.SHA256())
        form, without = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        key = self._servers_key.private_bytes(serialization.Encoding.PEM, form, without)
        (directory / "privkey.pem").write_bytes(key)
        (directory / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return certificate.serial_number

    def _signed(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), now, now + timedelta(days=1))
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(ours, critical=False)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        if isinstance(extension, x509.BasicConstraints):
            builder = builder.add_extension(_signs_certificates(), critical=True)
        return builder.add_extension(extension, critical=True)


def _signs_certificates() -> x509.KeyUsage:
    uses = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    nothing_else = dict.fromkeys((*uses, "encipher_only", "decipher_only"), False)
    return x509.KeyUsage(key_cert_sign=True, **nothing_else)


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
