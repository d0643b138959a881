"""python -m evaluator: the pump; python -m evaluator replay: the engine over a recorded market."""

import argparse
import sys
from pathlib import Path

import uvloop

from evaluator.replay import replay
from stormalert.errors import InputError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evaluator", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    replaying = commands.add_parser("replay", help="the alerts of recorded ticks under given rules")
    replaying.add_argument("--ticks", type=Path, required=True, help="CSV with time,symbol,price")
    replaying.add_argument("--rules", type=Path, required=True, help=f"CSV with {','.join(('id', 'symbol', '...'))}")
    replaying.add_argument("--out", type=Path, required=True, help="CSV to write: time,rule,symbol,direction,price,reference")
    replaying.add_argument("--redis", help="URL of a server to use; default: an embedded one of its own")
    arguments = parser.parse_args()
    if arguments.command == "replay":
        sys.exit(_replay(arguments))


def _replay(arguments: argparse.Namespace) -> int:
    try:
        ticks, alerts = uvloop.run(replay(arguments.ticks, arguments.rules, arguments.out, arguments.redis))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{ticks} ticks, {alerts} alerts, written to {arguments.out}")
    return 0


if __name__ == "__main__":
    main()
