"""The files that a run is made of; those with a secret are readable by their owner only."""

import os
import secrets
import shlex
import shutil
from collections.abc import Iterable
from configparser import RawConfigParser
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

from ops.launch.plan import LOOPBACK, RunPlan
from ops.launch.programs import Program
from stormalert.redis import acl
from stormalert.redis.embedded import REDIS_CONF, link_checks

# A process that ends sooner counts as failed to start; the next try comes after a growing pause.
START_S = 2
STOP_WITHIN_S = 8
LOG_BYTES = 10_000_000
LOG_BACKUPS = 3


def write_run_env(plan: RunPlan) -> None:
    lines = ["# Made by `make run`: secrets and addresses of what it starts. .env and the environment win over it."]
    lines += [f"{name}={value}" for name, value in plan.chosen.items()]
    write_private(plan.settings.var / "run.env", "\n".join(lines) + "\n")


def write_valkey_conf(plan: RunPlan) -> None:
    """With a user for each process, whose passwords are other ones each time; the operator's stays."""
    plan.valkey.mkdir(parents=True, exist_ok=True)
    link_checks(plan.valkey)
    passwords = {name: secrets.token_hex(acl.PASSWORD_LENGTH) for name in acl.NAMES}
    passwords[acl.ADMIN] = urlsplit(plan.settings.redis_url).password or ""
    for name, password in passwords.items():
        write_private(acl.password_file(plan.redis_passwords, name), password + "\n")
    users = plan.redis_passwords / "users.acl"
    write_private(users, acl.users_acl(passwords))
    lines = [
        f"include {_quoted(REDIS_CONF)}",
        f"bind {LOOPBACK}",
        f"port {plan.settings.redis_port}",
        f"dir {_quoted(plan.valkey.absolute())}",
        f"aclfile {_quoted(users.absolute())}",
    ]
    write_private(plan.valkey_conf, "\n".join(lines) + "\n")


def write_supervisor_conf(plan: RunPlan, programs: Iterable[Program], socket: Path, tether: tuple[str, ...]) -> None:
    plan.logs.mkdir(parents=True, exist_ok=True)
    text = supervisor_conf(list(programs), plan.logs.absolute(), socket, Path.cwd(), tether)
    write_private(plan.supervisor_conf, text)


def supervisor_conf(programs: list[Program], logs: Path, socket: Path, directory: Path, tether: tuple[str, ...]) -> str:
    """No secret is in it: the processes read theirs from run.env."""
    # Without interpolation: supervisord's own comes later.
    conf = RawConfigParser()
    conf["supervisord"] = {
        "nodaemon": "true",
        "silent": "true",
        "umask": "077",
        **({"user": "root"} if os.geteuid() == 0 else {}),
        "logfile": _literal(logs / "supervisord.log"),
        "pidfile": _literal(logs.parent / "supervisord.pid"),
    }
    conf["unix_http_server"] = {"file": _literal(socket), "chmod": "0700"}
    factory = "supervisor.rpcinterface:make_main_rpcinterface"
    conf["rpcinterface:supervisor"] = {"supervisor.rpcinterface_factory": factory}
    conf["supervisorctl"] = {"serverurl": f"unix://{_literal(socket)}"}
    for number, it in enumerate(programs):
        conf[f"program:{it.name}"] = _program(it, number, logs, directory, tether)
    # A group stops at once and the groups one after another, the highest priority first.
    for priority, (name, is_server) in enumerate((("servers", True), ("storm", False)), 1):
        if members := [it.name for it in programs if it.is_server is is_server]:
            conf[f"group:{name}"] = {"programs": ",".join(members), "priority": str(priority)}
    text = StringIO()
    conf.write(text, space_around_delimiters=False)
    return text.getvalue()


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def wipe(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)


def _program(it: Program, number: int, logs: Path, directory: Path, tether: tuple[str, ...]) -> dict[str, str]:
    return {
        "command": _literal(shlex.join((*tether, *it.command))),
        "directory": _literal(directory),
        "environment": _literal(",".join(f"{name}={_in_quotes(value)}" for name, value in it.environment.items())),
        "priority": str(number),
        "autorestart": "true",
        "startsecs": str(START_S),
        "stopwaitsecs": str(STOP_WITHIN_S),
        "killasgroup": "true",
        "redirect_stderr": "true",
        # Which it expands twice.
        "stdout_logfile": _literal(_literal(logs / f"{it.name}.log")),
        "stdout_logfile_maxbytes": str(LOG_BYTES),
        "stdout_logfile_backups": str(LOG_BACKUPS),
    }


def _literal(text: object) -> str:
    """supervisord expands % in every value."""
    return str(text).replace("%", "%%")


def _in_quotes(value: str) -> str:
    """As supervisord reads values of an environment: without any escapes."""
    return f"'{value}'" if '"' in value else f'"{value}"'


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
