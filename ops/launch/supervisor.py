"""supervisord, kept alive: it starts again what ends, and the launcher starts it again when it ends itself."""

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from supervisor.xmlrpc import SupervisorTransport

from stormalert.errors import StormError

START_WITHIN_S = 10
# Two groups of processes, each of which gets STOP_WITHIN_S of files.py.
STOP_WITHIN_S = 20
# What talking to a supervisord that is away or on its way out raises.
_AWAY = (OSError, http.client.HTTPException, xmlrpc.client.Error)


def tether(signal_name: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "ops.launch.tether", signal_name)


@dataclass(frozen=True, slots=True)
class Status:
    """`state` is supervisord's word: STARTING, RUNNING, BACKOFF, FATAL, ...; `pid` is 0 when there is no process."""

    name: str
    group: str
    state: str
    pid: int


class Supervisor:
    def __init__(self, conf: Path, socket: Path, environment: Mapping[str, str], lock: int) -> None:
        self._conf, self._socket, self._environment, self._lock = conf, socket, environment, lock
        self._process: subprocess.Popen[bytes] | None = None
        self._pids: set[int] = set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Raises StormError when supervisord does not come up."""
        # A session of its own: Ctrl-C in the terminal reaches only the launcher, which stops things in order.
        self._process = subprocess.Popen(
            [*tether("TERM"), sys.executable, "-m", "supervisor.supervisord", "-c", str(self._conf)],
            env={**self._environment, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,
            pass_fds=(self._lock,),
        )
        deadline = time.monotonic() + START_WITHIN_S
        while not self.statuses():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise StormError(f"supervisord did not start: see supervisord.log beside {self._conf}")
            time.sleep(0.05)

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def restart(self) -> None:
        """After supervisord died: no process of its may live on beside its successor's."""
        _kill(self._pids)
        self._socket.unlink(missing_ok=True)
        self.start()

    def statuses(self) -> list[Status]:
        """Of every process; empty when supervisord does not answer."""
        try:
            with self._rpc() as rpc:
                found: Any = rpc.getAllProcessInfo()
        except _AWAY:
            return []
        statuses = [Status(each["name"], each["group"], each["statename"], each["pid"]) for each in found]
        self._pids = {status.pid for status in statuses if status.pid}
        return statuses

    def try_again(self, status: Status) -> None:
        """Starts a process that supervisord has given up."""
        with contextlib.suppress(*_AWAY), self._rpc() as rpc:
            rpc.startProcess(f"{status.group}:{status.name}", False)

    def stop(self) -> None:
        """Everything, in order; by force what does not obey."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            _kill(self._pids)

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[Any]:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        # The address is a matter of form: the transport goes to the socket.
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport) as server:
            yield server.supervisor


def _kill(pids: Iterable[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
