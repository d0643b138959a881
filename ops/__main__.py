"""`python -m stormalert COMMAND`: what is done to the product as a whole."""

import argparse
import signal
import sys
from pathlib import Path

from ops.doctor import report
from ops.launch import admin, alive, backups
from ops.launch.run import run
from ops.launch.seed import seed
from ops.reencrypt import reencrypt
from stormalert import process
from stormalert.config import settings
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.redis import acl
from stormalert.store import open_store

# The command's before it was called as its field calls it.
OLD_NAMES = ["reseal"]


def main() -> int:
    # Until something runs that must be stopped in order, Ctrl-C ends the command without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    arguments = _parser().parse_args()
    match arguments.command:
        case "run":
            return run()
        case "demo-replay":
            return run(arguments.file, arguments.speed)
        case "settings":
            print(settings.env_example(), end="")
            return 0
        case "docs":
            # Here: the other commands go without the packages of which it tells.
            from ops import docs

            docs.write()
            return 0
        case "acl":
            return acl.write(arguments.directory, is_new=arguments.make)
        case "doctor":
            return report.run(is_json=arguments.json)
    config = process.load_or_exit()
    try:
        if arguments.command == "backup":
            return backups.backup(arguments.target, arguments.keep)
        if arguments.command == "restore":
            return backups.restore(arguments.source, arguments.force)
        if arguments.command == "healthy":
            return alive.report(config, arguments.process)
        if arguments.command == "seed":
            return seed(config, arguments.password_file)
        if arguments.command in ("re-encrypt", *OLD_NAMES):
            return _reencrypt(config)
        return admin.add(open_store(config.mongodb_uri, config.sqlite_path), arguments.name)
    except StormError as error:
        print(error, file=sys.stderr)
        return 1


def _reencrypt(config: Settings) -> int:
    count, refused = reencrypt(config, open_store(config.mongodb_uri, config.sqlite_path))
    print(f"{count} encrypted anew.")
    if not refused:
        print("STORM_MASTER_SECRET_PREVIOUS can be removed now.")
        return 0
    for each in refused:
        print(f"{each} could not be opened: is STORM_MASTER_SECRET_PREVIOUS the secret before?", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stormalert", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="start everything on this machine, with a demo market unless KITE_API_KEY is set")
    replay = commands.add_parser("demo-replay", help="the same with a recorded market, in a directory of its own")
    replay.add_argument("file", type=Path, help="minute file (symbol,YYYYMMDD,HH:MM,o,h,l,c,v,oi) or ticks (time,symbol,price)")
    replay.add_argument("--speed", type=_speed, default=0.0, help="times as fast as it was, up to 1000; 0: as fast as it goes")
    doctor = commands.add_parser(
        "doctor", help="look at everything and say what to do; exit code 0: good, 1: something can wait, 2: something is wrong"
    )
    doctor.add_argument("--json", action="store_true", help="for machines")
    healthy = commands.add_parser("healthy", help="for health checks: exit code 0 when a process of this host beats")
    healthy.add_argument("process", help="ingest, evaluator, dispatch, worker, ...")
    add_admin = commands.add_parser(
        "add-admin", help="make an admin, or let one in again who lost the password or the second factor"
    )
    add_admin.add_argument("name")
    commands.add_parser(
        "re-encrypt", aliases=OLD_NAMES, help="after STORM_MASTER_SECRET was changed: encrypt with it what the store keeps"
    )
    backing_up = commands.add_parser("backup", help="all of the store and of Redis in one file, while everything runs")
    backing_up.add_argument(
        "target", type=Path, help="file to write, a directory for a name with the time, or - for standard output"
    )
    backing_up.add_argument(
        "--keep", type=_count, default=0, metavar="N", help="of the directory's backups keep the newest N only"
    )
    restoring = commands.add_parser("restore", help="put a backup in the place of what is here; StormAlert must be stopped")
    restoring.add_argument("source", type=Path, help="file that `backup` wrote, or - for standard input")
    restoring.add_argument("--force", action="store_true", help="also over an installation that is not empty")
    users = commands.add_parser("acl", help="print the users of Redis for its aclfile")
    users.add_argument("directory", type=Path, help="holds a file redis_USER with the password of each")
    users.add_argument("--make", action="store_true", help="make the passwords that are missing")
    seeding = commands.add_parser(
        "seed", help="make the demo's user, rules and Kite login, where docker compose has started its processes"
    )
    seeding.add_argument("--password-file", type=Path, help="holds the demo user's password; without: a new one each time")
    commands.add_parser("settings", help="print .env.example")
    commands.add_parser("docs", help="write .env.example and the tables of docs/ARCHITECTURE.md")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, was {text!r}")
    return int(text)


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1
    if not 0 <= speed <= 1000:
        raise argparse.ArgumentTypeError(f"expected 0 to 1000, was {text!r}")
    return speed


if __name__ == "__main__":
    sys.exit(main())
