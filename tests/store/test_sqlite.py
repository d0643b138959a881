"""What only a file can do: many processes on it, a process that is killed, a file that is none of ours."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from stormalert.errors import Conflict, StoreError, StormError
from stormalert.model import AlertFilter, ChannelKind, DeliveryState, Direction, Kind, RuleFilter
from stormalert.store import Store, look, open_store, sqlite, sqlite_presence
from stormalert.store.sqlite import Sqlite
from stormalert.store.sqlite_schema import MIGRATIONS
from tests.store.records import a_channel, a_delivery, a_mute, a_rule

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 4
COUNTED = 40
WITHIN_S = 120

OPENS = "from pathlib import Path; from stormalert.store import open_store; store = open_store('', Path(sys.argv[1]))"

COUNTS_UP = f"""
import sys
from stormalert.errors import Conflict
{OPENS}
print("ready", flush=True)
sys.stdin.readline()
done = 0
while done < int(sys.argv[2]):
    known = store.delivery("d")
    try:
        store.save_delivery(known.model_copy(update={{"attempts": known.attempts + 1}}))
    except Conflict:
        continue
    done += 1
"""

# Each dump carries one name in all rows, so that a reader can see half a dump.
WRITES_FOREVER = f"""
import sys
from stormalert.model import Instrument
{OPENS}
number = 0
while True:
    number += 1
    store.save_instruments(Instrument(token=token, symbol=f"NSE:S{{token}}", name=f"{{number}}") for token in range(1, 301))
    store.save_setting("acknowledged", str(number))
    print(number, flush=True)
"""

# A file that may not grow is as good as a full disk.
FILLS_THE_DISK = f"""
import resource, signal, sys
from stormalert.errors import StormError
{OPENS}
store.save_setting("before", "kept")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
try:
    store.save_setting("much", "x" * 5_000_000)
except StormError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.save_setting("after", "kept")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = open_store("", path)
    yield opened
    opened.close()


def _start(program: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


@pytest.mark.usefixtures("processes")
def test_counting_up_from_several_processes_loses_nothing(store: Store, path: Path) -> None:
    store.save_delivery(a_delivery("d"))
    counting = [_start(COUNTS_UP, path, COUNTED) for _ in range(PROCESSES)]
    assert [_said(process) for process in counting] == ["ready"] * PROCESSES
    for process in counting:
        process.communicate("go\n", timeout=WITHIN_S)
    assert [process.returncode for process in counting] == [0] * PROCESSES
    last = store.delivery("d")
    assert last is not None
    assert (last.attempts, last.revision) == (PROCESSES * COUNTED, PROCESSES * COUNTED + 1)


@pytest.mark.usefixtures("processes")
def test_processes_that_open_a_new_store_at_once_all_get_it(path: Path) -> None:
    program = f"import sys\nprint('ready', flush=True)\nsys.stdin.readline()\n{OPENS}\nstore.save_setting(sys.argv[2], 'here')"
    opening = [_start(program, path, number) for number in range(PROCESSES)]
    assert [_said(process) for process in opening] == ["ready"] * PROCESSES
    for process in opening:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in opening:
        process.communicate(timeout=WITHIN_S)
    assert [process.returncode for process in opening] == [0] * PROCESSES
    store = open_store("", path)
    assert [store.setting(str(number)) for number in range(PROCESSES)] == ["here"] * PROCESSES
    store.close()


@pytest.mark.usefixtures("processes")
def test_a_writer_that_is_killed_leaves_a_whole_store_with_all_it_acknowledged(path: Path) -> None:
    acknowledged = 0
    for _ in range(3):
        writer = _start(WRITES_FOREVER, path)
        for _ in range(5):
            acknowledged = int(_said(writer))
        os.kill(writer.pid, signal.SIGKILL)
        rest, _ = writer.communicate(timeout=WITHIN_S)
        acknowledged = int((rest.split() or [acknowledged])[-1])
        store = open_store("", path)
        rows = store.search_instruments("NSE:", limit=1_000)
        store.close()
        assert len(rows) == 300
        (number,) = {row.name for row in rows}
        assert int(number) >= acknowledged
        with sqlite3.connect(path) as file:
            assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        file.close()


@pytest.mark.usefixtures("processes")
def test_a_reader_never_sees_half_a_dump_and_does_not_wait_for_the_writer(store: Store, path: Path) -> None:
    writer = _start(WRITES_FOREVER, path)
    try:
        first = int(_said(writer))
        seen: set[str] = set()
        deadline = time.monotonic() + WITHIN_S
        while len(seen) < 3:
            rows = store.search_instruments("NSE:", limit=1_000)
            names = {row.name for row in rows}
            assert (len(rows), len(names)) == (300, 1)
            seen |= names
            assert time.monotonic() < deadline, "the writer came no further"
        assert min(map(int, seen)) >= first
    finally:
        writer.kill()
        writer.communicate()


def test_reading_goes_on_while_another_connection_holds_the_write_lock(store: Store, path: Path) -> None:
    store.save_setting("name", "before")
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE settings SET value = 'after'")
    # It would return only after the lock was given up, which happens below.
    assert store.setting("name") == "before"
    writer.execute("COMMIT")
    writer.close()
    assert store.setting("name") == "after"


def test_a_write_waits_for_another_writer_to_finish(store: Store, path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=store.save_setting, args=("name", "after"))
    waiting.start()
    writer.execute("INSERT INTO settings VALUES ('name', 'before')")
    writer.execute("COMMIT")
    writer.close()
    waiting.join(WITHIN_S)
    assert store.setting("name") == "after"


def test_a_change_that_failed_leaves_nothing_open_behind_it(store: Store, path: Path) -> None:
    rule = store.save_rule(a_rule())
    with pytest.raises(Conflict):
        store.save_rule(rule.model_copy(update={"revision": 7}))
    store.save_channel(a_channel())
    other = open_store("", path)
    assert (other.rule(rule.id), other.channel("c1")) == (rule, store.channel("c1"))
    assert other.save_rule(rule).revision == 2
    other.close()


@pytest.mark.usefixtures("processes")
def test_a_full_disk_is_said_in_one_sentence_and_later_writes_are_kept(path: Path) -> None:
    filling = _start(FILLS_THE_DISK, path)
    said, _ = filling.communicate(timeout=WITHIN_S)
    assert filling.returncode == 0
    assert said.startswith(f"the store {path} cannot be used: ")
    store = open_store("", path)
    assert [store.setting(name) for name in ("before", "much", "after")] == ["kept", None, "kept"]
    store.close()


def test_all_is_there_when_the_file_is_opened_again(path: Path) -> None:
    store = open_store("", path)
    rule, delivery = store.save_rule(a_rule()), store.save_delivery(a_delivery(state=DeliveryState.SENT))
    store.close()
    again = open_store("", path)
    assert (again.rule(rule.id), again.delivery(delivery.id)) == (rule, delivery)
    assert again.save_rule(rule).updated_ms > rule.updated_ms
    again.close()


def test_folders_on_the_way_to_the_file_are_made(tmp_path: Path) -> None:
    open_store("", tmp_path / "var" / "data" / "store.sqlite3").close()
    assert (tmp_path / "var" / "data" / "store.sqlite3").is_file()


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_text("name,price\n" * 1_000)
    with pytest.raises(StormError, match=f"^the store {path} cannot be used: file is not a database$"):
        open_store("", path)
    assert path.read_text() == "name,price\n" * 1_000


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StormError, match=f"^the store {tmp_path} cannot be opened: "):
        open_store("", tmp_path)


def test_a_path_through_a_file_is_refused(path: Path) -> None:
    path.touch()
    with pytest.raises(StormError, match="cannot be opened: "):
        open_store("", path / "store.sqlite3")


def test_a_store_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    open_store("", path).close()
    newer = len(MIGRATIONS) + 1
    with sqlite3.connect(path) as file:
        file.execute(f"PRAGMA user_version = {newer}")
    file.close()
    with pytest.raises(StormError, match=rf"^the store {path} was written by a newer StormAlert \(schema {newer}, this"):
        open_store("", path)
    with sqlite3.connect(path) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (newer,)
    file.close()


def connection(store: Store) -> sqlite3.Connection:
    assert isinstance(store._db, Sqlite)
    return store._db._db


def test_a_page_of_rules_is_read_in_its_order_however_many_there_are(path: Path) -> None:
    with closing(open_store("", path)) as store, closing(sqlite3.connect(path)) as file:
        plans: list[str] = []
        connection(store).set_trace_callback(
            lambda sql: plans.extend(row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}")) if "SELECT" in sql else None
        )
        store.rules_of("u1", (5, "r"), 50, RuleFilter(text="infy"))
        store.rules_by_symbol("u1", ("NSE:INFY", "r"), 50, RuleFilter(text="infy"))
        store.count_rules("u1")
        connection(store).set_trace_callback(None)
    assert plans == [
        "SEARCH rules USING INDEX rules_by_user (user=? AND (updated_ms,id)<(?,?))",
        "SEARCH rules USING INDEX rules_by_symbol (user=? AND <expr>>?)",
        "SEARCH rules USING INDEX rules_by_symbol (user=?)",
    ]


@pytest.mark.parametrize(
    "only",
    [
        None,
        AlertFilter(text="infy"),
        AlertFilter(kind=Kind.DAY, direction=Direction.UP, since_ms=1, until_ms=9),
        AlertFilter(rule="r1"),
        AlertFilter(has_failed=True),
        AlertFilter(token=408065),
        AlertFilter(token=408065, kind=Kind.DAY, rule="r1"),
    ],
)
def test_a_page_of_alerts_is_read_in_its_order_by_its_index(path: Path, only: AlertFilter | None) -> None:
    with closing(open_store("", path)) as store, closing(sqlite3.connect(path)) as file:
        plans: list[str] = []
        connection(store).set_trace_callback(
            lambda sql: plans.extend(row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {sql}")) if "SELECT" in sql else None
        )
        store.alerts_of("u1", (5, "r"), 25, only)
        connection(store).set_trace_callback(None)
    is_by_token = only is not None and only.token
    index = "alerts_by_token (user=? AND token=?" if is_by_token else "alerts_by_user (user=?"
    assert plans[0].startswith(f"SEARCH alerts USING INDEX {index} AND ")
    # Nothing is sorted, and what lies beside an alert is found by an index too.
    assert not [plan for plan in plans if "TEMP B-TREE" in plan or plan == "SCAN deliveries"]


def test_a_store_that_was_closed_says_so_in_one_sentence(path: Path) -> None:
    store = open_store("", path)
    store.close()
    with pytest.raises(StormError, match="closed"):
        store.users()


def test_a_store_of_the_first_version_is_brought_forward_with_all_that_is_in_it(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.executescript(MIGRATIONS[0])
        body = '{"id":"c1","user":"u1","kind":"telegram","address":"42","is_on":true,"reason":"","revision":1}'
        file.execute("INSERT INTO channels (id, revision, body, user) VALUES ('c1', 1, ?, 'u1')", (body,))
        file.execute("PRAGMA user_version = 1")
        file.commit()
    with closing(open_store("", path)) as store:
        (channel,) = store.channels_at(ChannelKind.TELEGRAM, "42")
        assert (channel.id, channel.takes_alerts) == ("c1", True)
        store.save_mute(a_mute())
        assert store.mutes_of("u1", 0) == [a_mute()]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_store_of_any_version_ends_as_one_that_was_made_today(path: Path, tmp_path: Path, version: int) -> None:
    with closing(sqlite3.connect(path)) as file:
        for script in MIGRATIONS[:version]:
            file.executescript(script)
        delivery = a_delivery(revision=1).model_dump_json(exclude={"due_ms", "summary"} if version < 3 else set())
        row = ("r1-1-c1", delivery)
        columns = "id, body, revision, alert, state, updated_ms"
        file.execute(f"INSERT INTO deliveries ({columns}) VALUES (?, ?, 1, 'r1-1', 'queued', 1000)", row)
        file.execute(f"PRAGMA user_version = {version}")
        file.commit()
    with closing(open_store("", path)) as store, closing(open_store("", tmp_path / "new.sqlite3")):
        assert store.unfinished_deliveries(2_000, due_ms=0) == [a_delivery(revision=1)]
    assert schema(path) == schema(tmp_path / "new.sqlite3")


def schema(path: Path) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(path)) as file:
        columns = "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m JOIN pragma_table_info(m.name) c"
        found = file.execute(columns).fetchall() + file.execute("SELECT name, tbl_name FROM sqlite_master").fetchall()
        return sorted(tuple(map(str, row)) for row in found)


def test_a_store_that_is_removed_while_it_is_in_use_is_noticed_and_no_other_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_presence, "LOOK_EVERY_S", 0.0)
    monkeypatch.setattr(sqlite_presence, "MADE_WITHIN_S", 0.1)
    path, aside = tmp_path / "store.sqlite3", tmp_path / "aside"
    store = open_store("", path)
    store.save_setting("a", "b")
    aside.mkdir()
    for file in tmp_path.glob("store.sqlite3*"):
        file.rename(aside / file.name)
    with pytest.raises(StoreError, match="was removed while it was in use") as caught:
        store.setting("a")
    assert caught.value.headline == "The store's file was removed"
    # What starts meanwhile does not begin with an empty one.
    with pytest.raises(StoreError, match="was removed while it was in use"):
        open_store("", path)
    with pytest.raises(StoreError, match="was removed while it was in use"):
        look("", path)
    assert not path.exists()
    for file in aside.iterdir():
        file.rename(tmp_path / file.name)
    assert store.setting("a") == "b"
    with closing(open_store("", path)) as other:
        assert other.setting("a") == "b"
    path.unlink()
    path.write_bytes(b"")
    with pytest.raises(StoreError, match="was replaced while it was in use"):
        store.setting("a")
    path.unlink()
    store.close()
    with closing(open_store("", path)) as anew:
        assert anew.setting("a") is None


def test_another_programs_lock_is_said_to_all_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "LOCKED_S", 0.5)
    path = tmp_path / "store.sqlite3"
    found: list[StoreError] = []

    def save(store: Store, number: int) -> None:
        try:
            store.save_setting("a", str(number))
        except StoreError as error:
            found.append(error)

    with closing(open_store("", path)) as store:
        threads = [threading.Thread(target=save, args=(store, number)) for number in range(5)]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(WITHIN_S)
            other.execute("ROLLBACK")
        assert {error.headline for error in found} == {"The store is locked by another program"}
        assert len(found) == 5
        save(store, 7)
        assert store.setting("a") == "7"
