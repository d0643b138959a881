"""A recorded market: its symbols, read by the sandbox that will play it, and how far it has been played."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from stormalert.errors import InputError


def symbols(file: Path) -> list[str]:
    """In order of appearance. Raises InputError with the file's first bad line."""
    command = [sys.executable, "-m", "sandbox", "ticks", str(file)]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    if read.returncode:
        raise InputError(read.stderr.strip().removeprefix("sandbox: "))
    rows = read.stdout.splitlines()[1:]
    if not rows:
        raise InputError(f"{file}: there is no tick in it")
    return list(dict.fromkeys(row.split(",")[1] for row in rows))


def progress(sandbox_url: str) -> tuple[int, int]:
    """(ticks played, ticks in all)."""
    try:
        with urllib.request.urlopen(f"{sandbox_url}/control", timeout=2) as answer:  # noqa: S310 - our own address
            playback = json.load(answer)["playback"]
            return int(playback["position"]), int(playback["total"])
    except OSError:
        return 0, 1
