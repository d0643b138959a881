"""The queue's board behind the dashboard: two processes, one sign-in."""

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from stormalert.model import User
from stormalert.notify.queue_board import PATH
from tests.conftest import free_port

from .conftest import Site, environment, running

QUEUES = f"{PATH}/0/data/queues.json"


@pytest.fixture(scope="module")
def boarded(redis_server: str, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]) -> Iterator[Site]:
    """A dashboard, and a board that answers."""
    directory, port = tmp_path_factory.mktemp("boarded"), free_port()
    settings = {"STORM_QUEUE_BOARD_PORT": str(port)}
    with running(redis_server, directory, users, **settings) as site, (directory / "board.log").open("wb") as log:
        command = [sys.executable, "-m", "workers", "board"]
        board = subprocess.Popen(command, env=environment(redis_server, directory, 1) | settings, stdout=log, stderr=log)
        try:
            wait_until_up(f"http://127.0.0.1:{port}/")
            yield site
        finally:
            board.terminate()
            board.wait(60)


def wait_until_up(url: str) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            assert httpx.get(url, trust_env=False).status_code == 401
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def test_an_admin_sees_the_boards_pages_and_files_under_the_dashboards_address(boarded: Site) -> None:
    with boarded.sign_in("asha") as admin:
        page = admin.get(f"{PATH}/")
        assert page.status_code == 200 and "RQ dashboard" in page.text
        assert page.headers["x-frame-options"] == "SAMEORIGIN"
        style = admin.get(f"{PATH}/static/css/main.css")
        assert (style.status_code, style.headers["content-type"].partition(";")[0]) == (200, "text/css")
        assert admin.get(f"{PATH}/static/css/main.css", headers={"If-None-Match": style.headers["etag"]}).status_code == 304
        assert admin.get(QUEUES).json()["queues"] == []


@pytest.mark.parametrize("path", [f"{PATH}/", QUEUES, f"{PATH}/static/css/main.css"])
def test_nobody_else_gets_as_far_as_the_board(boarded: Site, path: str) -> None:
    with boarded.sign_in("mina") as member:
        assert member.get(path).status_code == 403
        assert member.post(path).status_code == 403
    with boarded.visitor() as stranger:
        assert stranger.get(path).status_code in (303, 401)
        assert stranger.post(path).status_code in (303, 401)


def test_what_changes_the_queue_must_come_from_the_boards_own_page(boarded: Site) -> None:
    path = f"{PATH}/queue/deliveries/queued/empty"
    with boarded.sign_in("asha") as admin:
        # The board's own check: the dashboard's lets a request without an origin through.
        assert admin.post(path).status_code == 403
        assert admin.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
        assert admin.get(path).status_code == 405
        assert admin.post(path, headers={"Origin": boarded.url}).json() == {"status": "OK"}


def test_a_board_that_is_away_is_said_to_be(
    redis_server: str, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]
) -> None:
    directory = tmp_path_factory.mktemp("alone")
    with (
        running(redis_server, directory, users, STORM_QUEUE_BOARD_PORT=str(free_port())) as site,
        site.sign_in("asha") as admin,
    ):
        answer = admin.get(f"{PATH}/")
        assert answer.status_code == 502
        assert answer.text == "The queue board does not answer: is the process `python -m workers board` running?\n"
