"""The commands `backup` and `restore`, in production and where `make run` runs or has run."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

from redis import Redis

from ops.backup import archive
from ops.backup.make import BackedUp, rows, told
from ops.backup.restore import look
from ops.backup.restore import restore as put_back
from ops.launch.offline import redis_at_hand
from stormalert import words
from stormalert.config.settings import Settings
from stormalert.errors import InputError, StormError
from stormalert.process import REDIS_ERRORS, connect_in_thread
from stormalert.store import Store, open_store
from stormalert.store.sqlite_schema import damage_of, move_aside
from stormalert.units import IST

# One instrument with all its rules is one answer.
TIMEOUT_S = 60
CHECK_S = 30
ASIDE = "aside-%Y%m%d-%H%M%S"
NAME = "stormalert-%Y%m%d-%H%M%S.jsonl.gz"


def backup(target: Path, keep: int) -> int:
    """Into the file, or under a name of its own into the directory, of whose backups the newest are kept; exit code."""
    path = target / datetime.now(IST).strftime(NAME) if target.is_dir() else target
    if keep and path == target:
        raise InputError(f"--keep is for a directory of backups, and {target} is none")
    with redis_at_hand() as config, _opened(config) as (store, client):
        counted = BackedUp(rows(config, store, client))
        size = archive.write(path, counted)
    # Not on standard output, which may be the backup.
    print(
        f"Backed up {told(counted.records)}, and {words.grouped(counted.keys)} keys of Redis: {path},"
        f" {words.grouped(size // 1024 + 1)} kB.\nSecrets in it are sealed: it is of full use only with STORM_MASTER_SECRET,"
        " which is to be kept at another place.",
        file=sys.stderr,
    )
    for old in _older(path.parent, keep) if keep else ():
        old.unlink()
        print(f"Removed {old}.", file=sys.stderr)
    return 0


def restore(source: Path, is_forced: bool) -> int:
    with archive.as_file(source) as path, redis_at_hand(is_written=True) as config:
        if not config.mongodb_uri and config.sqlite_path.exists():
            _make_room(config, path, is_forced)
        with _opened(config) as (store, client):
            for sentence in put_back(config, store, client, path, is_forced=is_forced):
                print(sentence, flush=True)
    print("Start everything again: the evaluator brings over what differs.")
    return 0


def _make_room(config: Settings, path: Path, is_forced: bool) -> None:
    """Moves the store aside, which may be damaged, or a newer StormAlert's. Raises InputError when it must not."""
    if not is_forced:
        if damage := damage_of(config.sqlite_path, CHECK_S):
            raise InputError(
                f"the store {config.sqlite_path} is damaged: {damage}."
                " Give --force to move it aside and put the backup in its place"
            )
        return
    with _redis(config) as client:
        look(config, client, path, is_forced=True)
    aside = move_aside(config.sqlite_path, datetime.now(IST).strftime(ASIDE))
    if aside:
        print(f"The store that was here is kept as {aside}.", flush=True)


@contextmanager
def _opened(config: Settings) -> Iterator[tuple[Store, Redis]]:
    with closing(open_store(config.mongodb_uri, config.sqlite_path)) as store, _redis(config) as client:
        yield store, client


@contextmanager
def _redis(config: Settings) -> Iterator[Redis]:
    with connect_in_thread(config.redis_url, TIMEOUT_S, decode_responses=False) as client:
        try:
            yield client
        except REDIS_ERRORS as error:
            raise StormError(f"redis failed: {error}") from None


def _older(directory: Path, keep: int) -> list[Path]:
    """By their names, which sort by time."""
    return sorted(directory.glob("stormalert-????????-??????.jsonl.gz"), reverse=True)[keep:]
