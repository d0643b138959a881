"""`python -m ops.launch.tether SIGNAL COMMAND...` becomes COMMAND and receives SIGNAL when its parent dies.

A killed supervisor cannot stop its children; without this they would live on and hold the ports.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    number = signal.Signals[f"SIG{sys.argv[1]}"]
    # Only Linux has it; elsewhere the launcher kills what it knows of a dead supervisor.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - our own command, without a shell


if __name__ == "__main__":
    main()
