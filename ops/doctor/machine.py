"""This machine: Python, the packages, disks and files."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.markers import Marker

from ops.doctor.case import Case
from stormalert import VERSION
from stormalert.config.settings import ENV_FILE
from stormalert.health.finding import Finding, bad, good, wait
from stormalert.health.limits import DISK_BAD_BYTES, DISK_WAIT_BYTES, PYTHON_LEAST

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)(?:\s*;\s*([^\\]+))?", re.MULTILINE)


def check_versions(case: Case) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_LEAST:
        yield bad("versions", f"Python {python}", f"StormAlert {VERSION} needs {'.'.join(map(str, PYTHON_LEAST))} or later")
    else:
        yield good("versions", f"StormAlert {VERSION} on Python {python}")
    yield judge_packages(REQUIREMENTS.read_text() if REQUIREMENTS.exists() else "")


def judge_packages(requirements: str) -> Finding:
    """The packages that are installed against the pins of requirements.txt."""
    pins = [(name, pinned) for name, pinned, marker in _PIN.findall(requirements) if not marker or Marker(marker).evaluate()]
    if not pins:
        return good("packages", "requirements.txt is not here, so the pins cannot be compared")
    others = [f"{name} {_installed(name)} (pinned {pinned})" for name, pinned in pins if _installed(name) != pinned]
    if others:
        told = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        return wait("packages", f"not as pinned: {told}", "pip install --require-hashes -r requirements.txt")
    return good("packages", f"{len(pins)} as pinned")


def check_disks(case: Case) -> Iterator[Finding]:
    config = case.environment
    places = {"STORM_VAR": config.var}
    if not config.mongodb_uri:
        places["STORM_SQLITE_PATH"] = config.sqlite_path.parent
    for name, path in places.items():
        # What is not there yet is made in the nearest that is.
        here = next(it for it in (path.absolute(), *path.absolute().parents) if it.exists())
        if name == "STORM_VAR" and here != path.absolute():
            # Only `make run` needs it.
            continue
        if not os.access(here, os.W_OK | os.X_OK):
            yield bad(
                "disk", f"{name}: {here} cannot be written", f"chown it to the user that runs StormAlert, or change {name}"
            )
            continue
        yield judge_space(name, here, shutil.disk_usage(here).free)


def judge_space(name: str, path: Path, free_bytes: int, little: int = DISK_WAIT_BYTES, none: int = DISK_BAD_BYTES) -> Finding:
    found = f"{name}: {free_bytes / 2**30:.1f} GB free at {path}"
    advice = "free some, or move it to a larger disk; a full disk stops the store and the append-only file of Redis"
    if free_bytes < none:
        return bad("disk", found, advice)
    return wait("disk", found, advice) if free_bytes < little else good("disk", found)


def check_permissions(case: Case) -> Iterator[Finding]:
    config = case.environment
    files = [ENV_FILE, config.var / "run.env", *([] if config.mongodb_uri else [config.sqlite_path])]
    open_ones = [path for path in files if path.exists() and path.stat().st_mode & 0o077]
    for path in open_ones:
        yield wait("files", f"others on this machine can read {path}, and it holds secrets", f"chmod 600 {path}")
    if not open_ones:
        yield good("files", "those with secrets are their owner's only")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"
