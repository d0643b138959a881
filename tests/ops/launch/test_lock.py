import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ops.launch.lock import only_run
from stormalert.errors import StormError

HOLD = """
import sys
from pathlib import Path
from ops.launch.lock import only_run
with only_run(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.usefixtures("processes")
def test_a_second_run_is_told_which_process_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "var" / "run.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout and first.stdout.readline() == "held\n"
        with pytest.raises(StormError, match=f"already runs here, as process {first.pid}"), only_run(path):
            pass
        first.communicate("")


def test_the_lock_is_free_after_a_run(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    for _ in range(2):
        with only_run(path):
            assert path.read_text().strip() == str(os.getpid())


@pytest.mark.usefixtures("processes")
def test_the_lock_of_a_dead_run_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    # What a supervisor does that outlives its launcher for a moment: it holds the lock, and the pid in it is dead.
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        dead.wait()
    path.write_text(f"{dead.pid}\n")
    script = (
        "import fcntl,sys; f=open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); sys.stdin.readline()"
    )
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as left_over:
        assert left_over.stdout and left_over.stdin
        left_over.stdout.readline()
        left_over.stdin.write("\n")
        left_over.stdin.flush()
        with only_run(path) as descriptor, path.open() as other, pytest.raises(BlockingIOError):
            assert descriptor
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
