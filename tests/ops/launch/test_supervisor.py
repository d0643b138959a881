"""supervisord itself, with small processes of the test's own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.launch.files import supervisor_conf
from ops.launch.programs import Program
from ops.launch.supervisor import Supervisor, tether

ROOT = Path(__file__).resolve().parents[3]
SLEEP = (sys.executable, "-c", "import time; time.sleep(600)")


def until(is_true: Callable[[], bool], within_s: float = 90) -> None:
    deadline = time.monotonic() + within_s
    while not is_true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        # A zombie nobody waits for in a container is dead enough.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def pids(supervisor: Supervisor) -> dict[str, int]:
    return {status.name: status.pid for status in supervisor.statuses() if status.state == "RUNNING"}


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    programs = [
        Program("server", SLEEP, is_server=True),
        Program("one", SLEEP),
        Program("broken", (sys.executable, "-c", "1/0")),
    ]
    (tmp_path / "log").mkdir()
    path = tmp_path / "supervisord.conf"
    text = supervisor_conf(programs, tmp_path / "log", tmp_path / "s.sock", tmp_path, tether("KILL"))
    # The tests need not wait as long as a slow start may take.
    path.write_text(text.replace("startsecs=2", "startsecs=1"))
    return path


@pytest.fixture
def supervisor(processes: None, conf: Path, tmp_path: Path) -> Iterator[Supervisor]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with (
        (tmp_path / "lock").open("w") as lock,
        Supervisor(conf, tmp_path / "s.sock", environment, lock.fileno()) as started,
    ):
        until(lambda: {"server", "one"} <= pids(started).keys())
        yield started


def test_a_killed_process_is_started_again(supervisor: Supervisor) -> None:
    before = pids(supervisor)["one"]
    os.kill(before, signal.SIGKILL)
    until(lambda: pids(supervisor).get("one", before) != before)


def test_a_killed_supervisord_takes_its_processes_with_it_and_is_started_again(supervisor: Supervisor, tmp_path: Path) -> None:
    before = pids(supervisor)
    os.kill(int((tmp_path / "supervisord.pid").read_text()), signal.SIGKILL)
    until(lambda: not supervisor.is_running())
    if sys.platform == "linux":
        until(lambda: not any(is_alive(pid) for pid in before.values()))
    supervisor.restart()
    until(lambda: {"server", "one"} <= pids(supervisor).keys())
    assert not any(is_alive(pid) for pid in before.values())


def test_a_process_that_was_given_up_is_tried_again(supervisor: Supervisor, tmp_path: Path) -> None:
    def broken() -> str:
        return next(status.state for status in supervisor.statuses() if status.name == "broken")

    until(lambda: broken() == "FATAL")
    tries = (tmp_path / "log" / "broken.log").read_text().count("ZeroDivisionError")
    supervisor.try_again(next(status for status in supervisor.statuses() if status.name == "broken"))
    until(lambda: (tmp_path / "log" / "broken.log").read_text().count("ZeroDivisionError") > tries)


def test_stopping_leaves_nothing_behind(supervisor: Supervisor) -> None:
    before = pids(supervisor)
    supervisor.stop()
    assert not any(is_alive(pid) for pid in before.values())
    assert supervisor.statuses() == []


@pytest.mark.usefixtures("processes")
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_tethered_command_ends_with_its_parent() -> None:
    script = "import subprocess,sys,time; child=subprocess.Popen(sys.argv[1:]); print(child.pid, flush=True); time.sleep(600)"
    command = [sys.executable, "-c", script, *tether("TERM"), *SLEEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        until(lambda: Path(f"/proc/{child}/cmdline").read_bytes() == "\0".join((*SLEEP, "")).encode())
        parent.kill()
    until(lambda: not is_alive(child))
