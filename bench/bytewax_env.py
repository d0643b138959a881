"""Bytewax in a virtual environment of its own: it is no requirement of the product. Made once, in build/."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.peers.records import PeerAlert, PeerRule, PeerTick

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "build" / "bytewax"
REQUIREMENT = "bytewax==0.21.1"
INSTALL_WITHIN_S = 300


def python(installs: bool) -> tuple[Path | None, str]:
    """Its interpreter, or why there is none."""
    interpreter = ENVIRONMENT / "bin" / "python"
    if not interpreter.exists():
        if not installs:
            return None, "not installed"
        subprocess.run([sys.executable, "-m", "venv", str(ENVIRONMENT)], check=True)
    install = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", REQUIREMENT]
    if not _has_bytewax(interpreter):
        if not installs:
            return None, "not installed"
        done = subprocess.run(install, capture_output=True, text=True, timeout=INSTALL_WITHIN_S)
        if done.returncode:
            return None, f"cannot be installed: {done.stderr.strip().splitlines()[-1]}"
    return interpreter, ""


def run(
    interpreter: Path, rules: Sequence[PeerRule], stretches: Sequence[Sequence[PeerTick]]
) -> tuple[list[float], list[PeerAlert]]:
    """Seconds of each stretch, and all alerts."""
    task = json.dumps({"rules": rules, "stretches": stretches})
    command = [str(interpreter), "-m", "bench.peers.bytewax_flow"]
    done = subprocess.run(command, input=task, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"the Bytewax flow failed: {done.stderr.strip()[-400:]}")
    answer = json.loads(done.stdout)
    return answer["seconds"], [PeerAlert(*alert) for alert in answer["alerts"]]


def _has_bytewax(interpreter: Path) -> bool:
    return subprocess.run([str(interpreter), "-c", "import bytewax"], capture_output=True).returncode == 0
