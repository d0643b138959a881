"""`python -m stormalert run` and `demo-replay`: decide, check, start, and stop again."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from ops.launch import files, ports, programs
from ops.launch.launcher import Launcher
from ops.launch.lock import only_run
from ops.launch.plan import Recording, RunPlan, make_plan
from ops.launch.recording import symbols
from ops.launch.supervisor import Supervisor, tether
from stormalert.config import settings
from stormalert.errors import InputError, SettingsError, StormError


def run(recorded: Path | None = None, speed: float = 1.0) -> int:
    """Exit code: 0 after Ctrl-C, 1 when it cannot start, 2 for settings or a recording that cannot be used."""
    try:
        given = settings.given()
        recording = Recording(recorded, speed, tuple(symbols(recorded))) if recorded else None
        kept = {} if recording else settings.read_file(settings.run_file(given))
        plan = make_plan(given, kept, recording)
    except SettingsError as error:
        for problem in error.problems:
            print(f"setting {problem}", file=sys.stderr)
        return 2
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    # What lies in var is its owner's.
    os.umask(0o077)
    try:
        with only_run(plan.lock) as lock:
            return _supervise(plan, given | plan.forced, lock, stopping)
    except StormError as error:
        print(error, file=sys.stderr)
        return 1


def _supervise(plan: RunPlan, environment: dict[str, str], lock: int, stopping: threading.Event) -> int:
    problems = ports.problems(programs.ports(plan))
    if problems:
        print("\n".join(problems), file=sys.stderr)
        return 1
    if plan.recording:
        files.wipe(plan.data)
    files.write_run_env(plan)
    if plan.is_redis_ours:
        files.write_valkey_conf(plan)
    # A directory of its own: the path of a socket may have no more than some hundred characters.
    with tempfile.TemporaryDirectory(prefix="storm-") as directory:
        control = Path(directory) / "supervisor.sock"
        started = programs.programs(plan)
        files.write_supervisor_conf(plan, started, control, tether("KILL"))
        with Supervisor(plan.supervisor_conf, control, environment, lock) as supervisor:
            Launcher(plan, started, supervisor).run_until(stopping)
            print("Stopping ...", flush=True)
    print("All stopped." if plan.recording else "All stopped; `make run` goes on where it was.", flush=True)
    return 0
