"""The dashboard as its own process on a free port, with an empty store and Redis."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from redis import Redis

from stormalert.access.security import hash_password
from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.model import Instrument, Role, User
from stormalert.redis import keys
from stormalert.store import Store, open_store
from tests.conftest import free_port

PASSWORD = "correct horse battery"
JWT_SECRET = "j" * 32
MASTER_SECRET = "m" * 32
INSTRUMENTS = (
    Instrument(token=408065, symbol="NSE:INFY", name="INFOSYS"),
    Instrument(token=2953217, symbol="NSE:TCS", name="TATA CONSULTANCY SERV"),
    Instrument(token=738561, symbol="NSE:RELIANCE", name="RELIANCE INDUSTRIES"),
)


@dataclass(frozen=True)
class Site:
    url: str
    redis_url: str
    store: Store
    process: "subprocess.Popen[bytes]"
    log: Path

    def visitor(self) -> httpx.Client:
        """A browser's cookies without a browser; redirects are looked at, not followed."""
        return httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    @contextmanager
    def sign_in(self, name: str, password: str = PASSWORD) -> Iterator[httpx.Client]:
        with self.visitor() as visitor:
            assert post_login(visitor, name, password).status_code == 303
            yield visitor

    def session(self, name: str) -> str:
        with self.sign_in(name) as visitor:
            return visitor.cookies[ACCESS_COOKIE]


@contextmanager
def away(site: Site, table: str) -> Iterator[None]:
    """A store that does not answer when it is asked for what is in the table."""
    with closing(sqlite3.connect(site.log.parent / "store.sqlite3", timeout=60, isolation_level=None)) as broken:
        broken.execute(f"ALTER TABLE {table} RENAME TO {table}_away")
        try:
            yield
        finally:
            broken.execute(f"ALTER TABLE {table}_away RENAME TO {table}")


def post_login(visitor: httpx.Client, name: str, password: str) -> httpx.Response:
    visitor.get("/login")
    form = {"csrf": visitor.cookies["storm_csrf"], "name": name, "password": password}
    return visitor.post("/login", data=form)


def shut(site: Site, name: str, visitor: httpx.Client) -> None:
    """Guesses until the name has to wait, and makes the pause long: a slow machine would see the first ones end."""
    with Redis.from_url(site.redis_url) as client:
        for _ in range(12):
            post_login(visitor, name, "wrong")
            if any(client.pexpire(pause, 60_000) for pause in client.scan_iter(keys.sign_in_pause.glob())):
                return
    raise AssertionError(f"nobody has to wait before {name} is tried again")


def environment(redis_url: str, directory: Path, port: int) -> dict[str, str]:
    ours = {
        "STORM_VAR": str(directory),
        "STORM_SQLITE_PATH": str(directory / "store.sqlite3"),
        "STORM_REDIS_URL": redis_url,
        "STORM_PORT": str(port),
        "JWT_SECRET": JWT_SECRET,
        "STORM_MASTER_SECRET": MASTER_SECRET,
        "KITE_API_KEY": "apikey",
        "KITE_API_SECRET": "apisecret",
        "STORM_KITE_LOGIN_ROOT": "http://127.0.0.1:9",
    }
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("STORM_", "KITE_", "MONGODB_"))}
    return theirs | ours


@pytest.fixture(scope="session")
def users() -> tuple[User, ...]:
    digest = hash_password(PASSWORD)
    return (
        User(id="u-asha", name="asha", password_hash=digest, role=Role.ADMIN, created_ms=1),
        User(id="u-mina", name="mina", password_hash=digest, role=Role.MEMBER, created_ms=1),
    )


@contextmanager
def running(redis_url: str, directory: Path, users: Iterable[User], **settings: str) -> Iterator[Site]:
    """A dashboard that answers."""
    store = open_store("", directory / "store.sqlite3")
    for user in users:
        store.save_user(user)
    store.save_instruments(INSTRUMENTS)
    port = free_port()
    log = directory / "dashboard.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dashboard"],
            env=environment(redis_url, directory, port) | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    site = Site(f"http://127.0.0.1:{port}", redis_url, store, process, log)
    try:
        _wait_until_up(site)
        yield site
    finally:
        process.terminate()
        process.wait(60)
        store.close()


@pytest.fixture(scope="module")
def started(redis_server: str, tmp_path_factory: pytest.TempPathFactory, users: tuple[User, ...]) -> Iterator[Site]:
    """One process a module: it takes seconds to start."""
    with running(redis_server, tmp_path_factory.mktemp("dashboard"), users) as site:
        yield site


@pytest.fixture
def site(started: Site, redis_url: str) -> Site:
    """The running dashboard with nothing left in Redis of the test before."""
    assert started.process.poll() is None, started.log.read_text()
    return started


def _wait_until_up(site: Site, within_s: float = 120) -> None:
    deadline = time.monotonic() + within_s
    while True:
        try:
            with site.visitor() as visitor:
                if visitor.get("/healthz").status_code == 200:
                    return
        except httpx.TransportError:
            pass
        assert site.process.poll() is None and time.monotonic() < deadline, site.log.read_text()
        time.sleep(0.1)
