"""What `make run` starts and with which settings: decided here, without touching anything."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops.launch.password import memorable_password
from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.config import settings
from stormalert.config.settings import Settings
from stormalert.notify.description import SandboxPlaces
from stormalert.redis import acl

LOOPBACK = "127.0.0.1"
# The sandbox takes what comes, unless it is told to keep to its rates.
UNLIMITED = "100000"
# Kept in run.env beside the settings, for the demo user's sign-in.
DEMO_PASSWORD = "DEMO_PASSWORD"  # noqa: S105 - a name, not a password
# What a recording is played with is always the launcher's own: nothing of it may reach real people or servers.
OWN_IN_REPLAY = (
    "STORM_VAR", "STORM_REDIS_URL", "STORM_QUEUE_URL", "STORM_SQLITE_PATH", "MONGODB_URI", "STORM_MARKET_HOURS",
    "KITE_API_KEY", "KITE_API_SECRET", "KITE_ACCESS_TOKEN",
    "STORM_KITE_API_ROOT", "STORM_KITE_WS_ROOT", "STORM_KITE_LOGIN_ROOT", "STORM_ALERTS_PER_HOUR",
    *dict.fromkeys(name for kind in ChannelKind for name in channels.of(kind).settings),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recording:
    file: Path
    speed: float
    symbols: tuple[str, ...]


@dataclass(frozen=True)
class RunPlan:
    """`chosen` is what run.env will hold, `forced` what the processes get in their environment on top of it."""

    settings: Settings
    chosen: dict[str, str]
    forced: dict[str, str]
    # Whether a sandbox stands in for Kite, and whether the Valkey is ours.
    is_demo: bool
    is_redis_ours: bool
    data: Path
    recording: Recording | None = None

    @property
    def sandbox_url(self) -> str:
        return _sandbox_url(self.settings)

    @property
    def dashboard_url(self) -> str:
        return _dashboard_url(self.settings)

    @property
    def board_url(self) -> str:
        return f"http://{_reachable(self.settings.host)}:{self.settings.queue_board_port}"

    @property
    def logs(self) -> Path:
        return self.settings.var / "log"

    @property
    def valkey(self) -> Path:
        """What our Valkey keeps."""
        return self.data / "valkey"

    @property
    def valkey_conf(self) -> Path:
        return self.data / "valkey.conf"

    @property
    def redis_passwords(self) -> Path:
        """One file for each user of our Redis."""
        return self.data / "redis"

    def redis_user(self, name: str) -> dict[str, str]:
        """The settings by which a process signs in at our Redis as itself: they are in its environment, and no secret."""
        url = f"redis://{name}@{LOOPBACK}:{self.settings.redis_port}/0"
        password = acl.password_file(self.redis_passwords, name).absolute()
        # What .env may hold of these is about another Redis.
        return {"STORM_REDIS_URL": url, "STORM_REDIS_PASSWORD": "", "STORM_REDIS_PASSWORD_FILE": str(password)}

    @property
    def lock(self) -> Path:
        """One for runs and replays: they listen at the same ports."""
        return (self.settings.var.parent if self.recording else self.settings.var) / "run.lock"

    @property
    def supervisor_conf(self) -> Path:
        return self.settings.var / "supervisord.conf"

    @property
    def demo_password(self) -> str:
        return self.chosen[DEMO_PASSWORD]


def make_plan(given: Mapping[str, str], kept: Mapping[str, str], recording: Recording | None = None) -> RunPlan:
    """`given` is what a person set, `kept` the run.env of last time. Raises SettingsError."""
    theirs = {name: text for name, text in given.items() if text}
    if recording:
        theirs = {name: text for name, text in theirs.items() if name not in OWN_IN_REPLAY}
        theirs["STORM_VAR"] = str(replay_var(given))
    # Checked alone first: what is chosen below is made of its ports and paths.
    asked = settings.parse(theirs)
    is_demo = "KITE_API_KEY" not in theirs
    is_redis_ours = "STORM_REDIS_URL" not in theirs
    # A market that is made up and one that is real never share rules or history.
    data = asked.var / "demo" if is_demo and not recording else asked.var
    # Logs of a run are files that people read.
    chosen = _secrets(kept) | {"STORM_SQLITE_PATH": str(data / "store.sqlite3"), "STORM_LOG_FORMAT": "text"}
    if is_redis_ours:
        chosen["STORM_REDIS_URL"] = _redis_url(asked, kept)
    if is_demo:
        chosen |= _stand_ins(asked, theirs) | {DEMO_PASSWORD: kept.get(DEMO_PASSWORD) or memorable_password()}
    forced = {name: theirs.get(name, chosen.get(name, "")) for name in OWN_IN_REPLAY} if recording else {}
    return RunPlan(settings.parse(chosen | theirs), chosen, forced, is_demo, is_redis_ours, data, recording)


def replay_var(given: Mapping[str, str]) -> Path:
    return Path(given.get("STORM_VAR") or "var") / "replay"


def _secrets(kept: Mapping[str, str]) -> dict[str, str]:
    return {name: kept.get(name) or secrets.token_hex(32) for name in ("JWT_SECRET", "STORM_MASTER_SECRET")}


def _redis_url(asked: Settings, kept: Mapping[str, str]) -> str:
    """The operator's; the processes sign in each as itself."""
    password = urlsplit(kept.get("STORM_REDIS_URL", "")).password or secrets.token_hex(16)
    return f"redis://{acl.ADMIN}:{password}@{LOOPBACK}:{asked.redis_port}/0"


def _stand_ins(asked: Settings, theirs: Mapping[str, str]) -> dict[str, str]:
    """The sandbox in the place of Kite, and of each channel that has no account of its own.

    Keys and tokens are the sandbox's defaults; it listens on loopback only, so they are no secrets.
    """
    http = _sandbox_url(asked)
    found = {
        "KITE_API_KEY": "sandbox-key",
        "KITE_API_SECRET": "sandbox-secret",
        "STORM_KITE_API_ROOT": http,
        "STORM_KITE_WS_ROOT": f"ws://{LOOPBACK}:{asked.sandbox_ws_port}",
        "STORM_KITE_LOGIN_ROOT": http,
        "STORM_MARKET_HOURS": "always",
        # The generated market moves more than anybody would want to be told of; here each alert is to be seen.
        "STORM_ALERTS_PER_HOUR": UNLIMITED,
        "STORM_BURST_ALERTS": UNLIMITED,
    }
    places = SandboxPlaces(http, f"smtp://{LOOPBACK}:{asked.sandbox_smtp_port}", _dashboard_url(asked), UNLIMITED)
    for channel in map(channels.of, ChannelKind):
        if not any(name in theirs for name in channel.needs[:1] if name in channel.account):
            found |= channel.in_sandbox(places)
    return found


def _sandbox_url(config: Settings) -> str:
    return f"http://{LOOPBACK}:{config.sandbox_http_port}"


def _dashboard_url(config: Settings) -> str:
    return f"http://{_reachable(config.host)}:{config.port}"


def _reachable(host: str) -> str:
    return LOOPBACK if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not listened at
