"""The sandbox's mail server, with TLS of its own making and a password."""

import contextlib
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.doctor import certificates
from stormalert.health.finding import Level
from tests.conftest import free_port

from .conftest import MakeCase, check

GOOD, WAIT, BAD = Level.GOOD, Level.WAIT, Level.BAD


@pytest.fixture(scope="module")
def mail(processes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """Its port, and the certificate that one has to trust."""
    state, port = tmp_path_factory.mktemp("mail"), free_port()
    ports = ["--http-port", str(free_port()), "--ws-port", str(free_port()), "--smtp-port", str(port)]
    options = ["--state-dir", str(state), "--instruments", "1", "--smtp-tls", "--smtp-login", "me:the-password"]
    process = subprocess.Popen([sys.executable, "-m", "sandbox", *ports, *options], stdout=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 90
    while True:
        with contextlib.suppress(OSError), smtplib.SMTP("127.0.0.1", port, timeout=5):
            break
        assert process.poll() is None and time.monotonic() < deadline_s
        time.sleep(0.05)
    yield port, state / "smtp-certificate.pem"
    process.terminate()
    process.wait(60)


@pytest.fixture
def trusted(mail: tuple[int, Path], monkeypatch: pytest.MonkeyPatch) -> int:
    port, certificate = mail
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return port


def found(case: MakeCase, url: str) -> list[tuple[Level, str]]:
    return [(each.level, each.what) for each in check("mail")(case(SMTP_URL=url))]


def test_the_right_password_over_tls(case: MakeCase, trusted: int) -> None:
    ((level, told),) = found(case, f"smtp://me:the-password@127.0.0.1:{trusted}")
    assert level is GOOD and told.startswith(f"127.0.0.1:{trusted} takes us, over TLS, in ")
    (ends,) = certificates.check_certificates(case(SMTP_URL=f"smtp://127.0.0.1:{trusted}"))
    assert ends.part == "certificate of mail" and "good until" in ends.what


def test_a_wrong_password(case: MakeCase, trusted: int) -> None:
    told = (BAD, f"127.0.0.1:{trusted} refuses our user or password")
    assert found(case, f"smtp://me:another@127.0.0.1:{trusted}") == [told]


def test_a_certificate_that_nobody_trusts(case: MakeCase, mail: tuple[int, Path]) -> None:
    ((level, told),) = found(case, f"smtp://me:the-password@127.0.0.1:{mail[0]}")
    assert level is BAD and "its certificate is not accepted" in told


def test_nobody_there(case: MakeCase) -> None:
    ((level, told),) = found(case, f"smtp://127.0.0.1:{free_port()}")
    assert level is BAD and "connection refused" in told
