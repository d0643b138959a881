"""Nothing may be lost: providers that refuse, break and hang, and processes killed in the middle of their work.

Every alert must reach every channel of its user, counted in the sandbox's outbox. A message may come twice where a worker was
killed between the provider's yes and its note of it, so never more often than there were kills.
"""

import argparse
import sys
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from bench.fixtures import CHANNELS, NO_LIMITS, Process, Setup, set_up, symbol, symbol_of

# What the providers do: 5 % refused for the rate, 5 % broken, 2 % never answered.
TROUBLES = {"too_many": 0.05, "server_error": 0.05, "time_out": 0.02, "retry_after_s": 1.0}
USERS = 3
FIRE_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Outcome:
    alerts: int
    elapsed_s: float
    kills: int
    messages: int
    lost: tuple[str, ...]
    duplicates: int
    log: str

    def row(self) -> dict[str, Any]:
        return {
            "alerts": self.alerts,
            "messages": self.messages,
            "seconds": round(self.elapsed_s),
            "kills": self.kills,
            "lost": len(self.lost),
            "duplicates": self.duplicates,
        }


def run(alerts: int, kill_every_s: float, workers: int = 2, within_s: float = 1_800, kills: int = sys.maxsize) -> Outcome:
    """`kills` at most, a worker and the dispatcher in turns."""
    with set_up(USERS, NO_LIMITS) as setup:
        setup.ask("POST", "/control/faults", {part: TROUBLES for part in ("telegram", "twilio", "smtp")})
        crew = [("dispatch", setup.start("dispatch")), *(("work", setup.start("work")) for _ in range(workers))]
        for command, process in crew:
            setup.wait_for_heartbeat(command, process)
        started_s = time.monotonic()
        seen: Counter[tuple[str, str]] = Counter()
        fired, killed, kill_at_s = 0, 0, started_s + kill_every_s
        victims = cycle([1, 0, *range(2, workers + 1)])
        while len(seen) < alerts * len(CHANNELS) and time.monotonic() - started_s < within_s:
            for _ in range(min(FIRE_AT_ONCE, alerts - fired)):
                setup.fire(fired)
                fired += 1
            time.sleep(0.2)
            seen.update((symbol_of(message), message["channel"]) for message in setup.new_messages())
            if time.monotonic() >= kill_at_s and killed < kills:
                _kill(setup, crew, next(victims))
                killed, kill_at_s = killed + 1, time.monotonic() + kill_every_s
        elapsed_s = time.monotonic() - started_s
        _settle(setup, crew)
        seen.update((symbol_of(message), message["channel"]) for message in setup.new_messages())
        expected = {(symbol(number), str(kind)) for number in range(alerts) for kind in CHANNELS}
        lost = tuple(f"{name} {channel}" for name, channel in sorted(expected - seen.keys()))
        return Outcome(alerts, elapsed_s, killed, seen.total(), lost, seen.total() - len(seen), setup.log.read_text())


def _kill(setup: Setup, crew: list[tuple[str, Process]], place: int) -> None:
    command, process = crew[place]
    process.kill()
    process.wait()
    crew[place] = (command, setup.start(command))


def _settle(setup: Setup, crew: list[tuple[str, Process]]) -> None:
    """Once everything arrived, what would be sent again must have its chance to come."""
    for _, process in crew:
        process.terminate()
    for _, process in crew:
        process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000, help="alerts, to three channels each (%(default)s)")
    parser.add_argument("--kill-every", type=float, default=4.0, metavar="S", help="seconds between two kills (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (%(default)s)")
    options = parser.parse_args()
    outcome = run(options.alerts, options.kill_every, options.workers)
    print(", ".join(f"{value:,} {name}" for name, value in outcome.row().items()))
    if outcome.lost or outcome.duplicates > outcome.kills:
        print("\n".join(outcome.lost[:20]))
        print(outcome.log[-4_000:])
        sys.exit("messages were lost" if outcome.lost else "more messages came twice than processes were killed")


if __name__ == "__main__":
    main()
