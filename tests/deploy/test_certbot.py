"""deploy/certbot/keep.sh with a certbot that does as it is told: when it is asked, and when the service is healthy."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.compose_file import ROOT, services

DOMAIN = "storm.example.com"
WITHIN_S = 20


class Keeper:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.looked = directory / "run/looked"
        self.tried = directory / "tried"
        self.succeed = directory / "succeed"
        self.fullchain = directory / f"config/live/{DOMAIN}/fullchain.pem"
        self.renewal = directory / f"config/renewal/{DOMAIN}.conf"
        for place in (self.looked, self.fullchain, self.renewal):
            place.parent.mkdir(parents=True)
        program = directory / "certbot"
        program.write_text(f"#!/bin/sh\necho >>{self.tried}\n[ -e {self.succeed} ]\n")
        program.chmod(0o755)

    def has_tried(self, times: int = 1) -> bool:
        return self.tried.exists() and len(self.tried.read_text()) >= times

    def is_healthy(self) -> bool:
        kind, check = services()["certbot"]["healthcheck"]["test"]
        assert kind == "CMD-SHELL"
        here = check.replace("/tmp/certbot", str(self.looked.parent))
        return subprocess.run(["sh", "-c", here], capture_output=True).returncode == 0

    @contextmanager
    def running(self, domain: str = DOMAIN) -> Iterator[None]:
        environment = {name: str(self.directory / name.lower()) for name in ("CONFIG", "ACME", "RUN")}
        environment |= {"STORM_DOMAIN": domain, "TRY_AGAIN_S": "0.1", "PATH": f"{self.directory}:{os.environ['PATH']}"}
        script = [ROOT / "deploy/certbot/keep.sh"]
        with subprocess.Popen(script, env=environment, stderr=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                yield
            finally:
                # With what it sleeps by, which its container would end.
                os.killpg(process.pid, signal.SIGTERM)


@pytest.fixture
def keeper(processes: None, tmp_path: Path) -> Keeper:
    """Whose certbot fails until it may succeed."""
    return Keeper(tmp_path)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def test_tries_that_fail_are_not_healthy_and_one_that_succeeds_is(keeper: Keeper) -> None:
    with keeper.running():
        wait_until(lambda: keeper.has_tried(3))
        assert not keeper.is_healthy()
        keeper.succeed.touch()
        wait_until(keeper.is_healthy)


def test_renewals_that_fail_are_not_healthy_half_a_day_later(keeper: Keeper) -> None:
    keeper.looked.touch()
    assert keeper.is_healthy()
    succeeded_s = time.time() - 14 * 3_600
    os.utime(keeper.looked, (succeeded_s, succeeded_s))
    with keeper.running():
        wait_until(lambda: keeper.has_tried(3))
        assert not keeper.is_healthy()


def test_a_certificate_that_certbot_did_not_order_is_left_alone(keeper: Keeper) -> None:
    keeper.fullchain.touch()
    with keeper.running():
        wait_until(keeper.is_healthy)
    assert not keeper.has_tried()


def test_a_certificate_that_certbot_ordered_is_renewed(keeper: Keeper) -> None:
    keeper.fullchain.touch()
    keeper.renewal.touch()
    with keeper.running():
        wait_until(keeper.has_tried)


def test_a_name_that_is_none_of_the_internets_needs_no_certificate(keeper: Keeper) -> None:
    with keeper.running("localhost"):
        wait_until(keeper.is_healthy)
    assert not keeper.has_tried()
