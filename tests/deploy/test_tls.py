"""Every process over an encrypted connection to Redis, which a certificate authority of one's own vouches for."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stormalert.redis import acl, keys
from tests.conftest import free_port

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "ingest": ("ingest",),
    "evaluator": ("evaluator",),
    "dispatch": ("workers", "dispatch"),
    "worker": ("workers", "work"),
    "bot": ("workers", "bot"),
    "dashboard": ("dashboard",),
    "relay": ("dashboard.relay",),
    "board": ("workers", "board"),
}
UP_WITHIN_S = 240


@dataclass(frozen=True)
class TlsServer:
    port: int
    directory: Path
    authority: Path

    def settings(self, name: str, **changes: str) -> dict[str, str]:
        """As the compose file gives them: no secret in the environment."""
        return {
            "STORM_REDIS_URL": f"rediss://{name}@localhost:{self.port}/0",
            "STORM_REDIS_PASSWORD_FILE": str(acl.password_file(self.directory, name)),
            "STORM_REDIS_CA": str(self.authority),
        } | changes


@pytest.fixture(scope="module")
def server(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """With production's own configuration, but for its paths and ports."""
    binary = shutil.which("redis-server")
    if binary is None or "libssl" not in subprocess.run(["ldd", binary], capture_output=True, text=True).stdout:
        told = "no redis-server that speaks TLS is installed; on Debian or Ubuntu: apt-get install redis-server"
        pytest.fail(told) if os.environ.get("CI") else pytest.skip(told)
    directory = tmp_path_factory.mktemp("tls")
    make_certificates(directory)
    acl.make_passwords(directory)
    (directory / "users.acl").write_text(acl.users_acl(acl.read_passwords(directory)))
    port = free_port()
    for name in ("redis/server.conf", "redis/tls.conf", "redis.conf"):
        text = (ROOT / "deploy" / name).read_text().replace("/etc/stormalert/tls", str(directory))
        text = (
            text.replace("/etc/stormalert", str(directory)).replace("6379", str(port)).replace("dir /data", f"dir {directory}")
        )
        (directory / Path(name).name).write_text(text)
    command = [
        binary,
        "server.conf",
        "--maxmemory",
        "64mb",
        "--appendfsync",
        "always",
        "--include",
        str(directory / "tls.conf"),
    ]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)
    made = TlsServer(port, directory, directory / "ca.crt")
    try:
        wait_until(lambda: answers(made), "the server's answer")
        yield made
    finally:
        process.terminate()
        process.wait(60)


def test_the_configuration_is_in_force(server: TlsServer) -> None:
    with operator(server) as client:
        found = client.config_get("*")
        assert (found["maxmemory"], found["maxmemory-policy"]) == (str(64 * 2**20), "noeviction")
        assert (found["appendonly"], found["appendfsync"], found["save"]) == ("yes", "always", "")
        assert (found["protected-mode"], found["port"], found["tls-port"]) == ("yes", "0", str(server.port))
        assert found["client-output-buffer-limit"].endswith("pubsub 33554432 8388608 60")
        assert found["lazyfree-lazy-user-del"] == "yes"


def test_every_process_works_over_tls_with_its_own_user(server: TlsServer, tmp_path: Path) -> None:
    own = {"STORM_VAR": str(tmp_path), "STORM_SQLITE_PATH": str(tmp_path / "store.sqlite3"), "PYTHONPATH": str(ROOT)}
    own |= {"JWT_SECRET": "j" * 32, "STORM_MASTER_SECRET": "m" * 32, "KITE_API_KEY": "k", "KITE_API_SECRET": "s"}
    own |= {"STORM_KITE_API_ROOT": "http://127.0.0.1:9", "STORM_KITE_WS_ROOT": "ws://127.0.0.1:9"}
    own |= {name: str(free_port()) for name in ("STORM_PORT", "STORM_RELAY_PORT", "STORM_QUEUE_BOARD_PORT")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **own}
    log = tmp_path / "log"
    with ExitStack() as stack, log.open("ab") as output, operator(server) as client:
        for name, command in COMMANDS.items():
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=environment | server.settings(name),
                stderr=output,
                stdout=output,
            )
            stack.callback(process.wait, 90)
            stack.callback(process.terminate)
        wait_until(lambda: {beat.split(":")[2] for beat in client.zrange(keys.BEATS, 0, -1)} == set(COMMANDS), "beats", log=log)
        wait_until(lambda: client.scard("rq:workers") == 1, "RQ's worker", log=log)
        for name in COMMANDS:
            done = healthy(environment | server.settings(name), name)
            assert (done.returncode, done.stderr) == (0, "")
        assert [each["object"] for each in client.acl_log()] == []


def test_a_server_that_nobody_vouches_for_is_not_trusted(server: TlsServer, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    settings = server.settings("ingest", STORM_REDIS_CA=str(tmp_path / "ca.crt"))
    done = healthy({"PATH": os.environ["PATH"], **settings}, "ingest")
    assert done.returncode == 1
    assert "certificate verify failed" in done.stderr


def test_a_missing_authority_is_a_setting_to_mend(server: TlsServer, tmp_path: Path) -> None:
    done = healthy({"PATH": os.environ["PATH"], **server.settings("ingest", STORM_REDIS_CA=str(tmp_path / "none"))}, "ingest")
    assert (done.returncode, done.stderr) == (2, "setting STORM_REDIS_CA: expected a file that can be read\n")


def healthy(environment: dict[str, str], name: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stormalert", "healthy", name]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180)


def operator(server: TlsServer) -> redis.Redis:
    password = acl.read_passwords(server.directory)[acl.ADMIN]
    place = {"host": "localhost", "port": server.port, "ssl": True, "ssl_ca_certs": str(server.authority)}
    return redis.Redis(**place, username=acl.ADMIN, password=password, decode_responses=True)  # type: ignore[arg-type]


def answers(server: TlsServer) -> bool:
    try:
        with operator(server) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def wait_until(condition: object, what: str, within_s: float = UP_WITHIN_S, log: Path | None = None) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, f"{what} did not come within {within_s} s: {log.read_text() if log else ''}"
        time.sleep(0.1)


def make_certificates(directory: Path) -> None:
    """An authority's, ca.crt, and by it one for localhost, redis.crt with redis.key."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "StormAlert's tests")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    signed = certificate(authority, authority_key, authority, authority_key, x509.BasicConstraints(True, None))
    (directory / "ca.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    own = certificate(name, key, authority, authority_key, names)
    (directory / "redis.crt").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (directory / "redis.key").write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))


def certificate(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    serial, lasts = x509.random_serial_number(), timedelta(days=1)
    made = x509.CertificateBuilder(issuer, subject, key.public_key(), serial, now - lasts, now + lasts)
    return made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints)).sign(
        issuer_key, hashes.SHA256()
    )
