import pickle
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from werkzeug.test import TestResponse

from stormalert.access.sessions import ACCESS_COOKIE, Begun
from stormalert.config import settings
from stormalert.model import Role
from stormalert.notify.queue_board import PATH
from stormalert.store import Store, open_store
from tests.sessions import begin, sessions
from tests.workers.fixtures import a_worker
from workers import queues
from workers.board import make_app
from workers.worker import DeliveryWorker

SECRET = "s" * 32
PAGES = (
    f"{PATH}/",
    f"{PATH}/0/view/workers",
    f"{PATH}/0/view/jobs",
    f"{PATH}/0/data/queues.json",
    f"{PATH}/0/data/workers.json",
    f"{PATH}/0/data/jobs/deliveries/queued/8/asc/1.json",
    f"{PATH}/0/data/jobs/deliveries/started/8/asc/1.json",
    f"{PATH}/0/data/jobs/deliveries/failed/8/asc/1.json",
    f"{PATH}/0/view/job/rule1-1-channel1",
    f"{PATH}/0/data/job/rule1-1-channel1.json",
)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    yield store
    store.close()


@pytest.fixture
def board(redis_url: str, store: Store) -> FlaskClient:
    client = make_app(settings.parse({"STORM_REDIS_URL": redis_url, "JWT_SECRET": SECRET}), store).test_client()
    client.store, client.redis_url = store, redis_url  # type: ignore[attr-defined]
    return client


def sign_in(board: Any, role: Role = Role.ADMIN, secret: str = SECRET) -> Begun:
    begun = begin(board.store, board.redis_url, secret, "user1", role)
    board.set_cookie(ACCESS_COOKIE, begun.access)
    return begun


@pytest.fixture
def busy_worker(redis: Redis) -> DeliveryWorker:
    """A worker with one delivery in its hands and another one waiting."""
    queue = queues.open_queue(redis)
    queues.enqueue(queue, "rule1-1-channel1")
    queues.enqueue(queue, "rule1-1-channel2")
    worker = a_worker(queue, "host-1-abcdef")
    worker.register_birth()
    dequeued = queue.dequeue_any([queue], None, redis, queues.DeliveryJob, queues.SERIALIZER)
    assert dequeued is not None
    worker.prepare_execution(dequeued[0])
    worker.prepare_job_execution(dequeued[0])
    return worker


def get_json(board: FlaskClient, path: str) -> Any:
    answer: TestResponse = board.get(path)
    assert answer.status_code == 200, answer.text
    return answer.get_json()


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_a_page_without_signing_in(board: FlaskClient, page: str) -> None:
    assert board.get(page).status_code == 401


def test_a_forged_cookie_does_not_open_the_board(board: FlaskClient) -> None:
    sign_in(board, secret="t" * 32)
    assert board.get(f"{PATH}/").status_code == 401


def test_without_a_secret_no_cookie_opens_the_board(board: FlaskClient, store: Store, redis_url: str) -> None:
    signed_in = sign_in(board)
    closed = make_app(settings.parse({"STORM_REDIS_URL": redis_url}), store).test_client()
    closed.set_cookie(ACCESS_COOKIE, signed_in.access)
    assert closed.get("/").status_code == 401


def test_a_member_is_told_that_only_admins_may(board: FlaskClient) -> None:
    sign_in(board, role=Role.MEMBER)
    assert board.get(f"{PATH}/").status_code == 403


def test_a_signed_out_session_does_not_open_the_board(board: FlaskClient, store: Store, redis_url: str) -> None:
    session = sign_in(board).session
    assert board.get(f"{PATH}/").status_code == 200
    sessions(store, redis_url, SECRET).end(session)
    assert board.get(f"{PATH}/").status_code == 401


@pytest.mark.parametrize("page", PAGES)
def test_an_admin_sees_every_page_while_workers_are_busy(board: FlaskClient, busy_worker: DeliveryWorker, page: str) -> None:
    sign_in(board)
    assert board.get(page).status_code == 200


def test_its_own_address_leads_to_the_board_and_its_files_are_below_its_path(board: FlaskClient) -> None:
    sign_in(board)
    answer = board.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PATH}/")
    page = board.get(f"{PATH}/").text
    files = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(files) > 5 and all(it.startswith(f"{PATH}/") for it in files)
    for file in (it for it in files if "." in it):
        with board.get(file, buffered=True) as sent:
            assert sent.status_code == 200, file


def test_only_pages_of_the_same_origin_may_frame_it(board: FlaskClient) -> None:
    sign_in(board)
    assert board.get(f"{PATH}/").headers["X-Frame-Options"] == "SAMEORIGIN"


def test_the_board_names_the_delivery_that_a_worker_is_at(board: FlaskClient, busy_worker: DeliveryWorker) -> None:
    sign_in(board)
    (worker,) = get_json(board, f"{PATH}/0/data/workers.json")["workers"]
    assert worker["current_job"]["job_id"] == "rule1-1-channel1"
    (queued,) = get_json(board, f"{PATH}/0/data/jobs/deliveries/queued/8/asc/1.json")["jobs"]
    assert queued["id"] == "rule1-1-channel2"


def test_a_get_cannot_change_the_queue(board: FlaskClient, busy_worker: DeliveryWorker) -> None:
    sign_in(board)
    assert board.get(f"{PATH}/requeue/deliveries").status_code == 405


def test_a_post_from_elsewhere_cannot_change_the_queue(board: FlaskClient, busy_worker: DeliveryWorker) -> None:
    sign_in(board)
    path = f"{PATH}/job/rule1-1-channel2/delete"
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert board.post(path, headers=headers).status_code == 403
    assert board.post(path, headers={"Origin": "http://localhost"}).get_json() == {"status": "OK"}
    assert get_json(board, f"{PATH}/0/data/jobs/deliveries/queued/8/asc/1.json")["jobs"] == []


def test_no_page_unpickles_what_lies_in_redis(
    board: FlaskClient, busy_worker: DeliveryWorker, redis: Redis, tmp_path: Path
) -> None:
    written = tmp_path / "unpickled"

    class Bomb:
        def __reduce__(self) -> Any:
            return (Path.touch, (written,))

    bomb = pickle.dumps(Bomb())
    for job in ("rule1-1-channel1", "rule1-1-channel2"):
        redis.hset(f"rq:job:{job}", mapping={"data": zlib.compress(bomb), "meta": bomb})
    sign_in(board)
    board.application.config["PROPAGATE_EXCEPTIONS"] = False
    for page in (*PAGES, f"{PATH}/0/data/job/rule1-1-channel2.json"):
        board.get(page)
    board.post(f"{PATH}/requeue/deliveries", headers={"Origin": "http://localhost"})
    assert not written.exists()
    # The bomb is live: this is what the pages must not do.
    pickle.loads(bomb)
    assert written.exists()
