"""Bringing a MongoDB database forward: numbered steps, each once, under a lock, before anybody else uses the database.

A step changes documents or drops indexes; new indexes need none, since every start makes those that are missing. It must be
possible to run a step again, because whoever ran it may have been killed before it was noted.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pymongo
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from stormalert.errors import StormError
from stormalert.units import SECOND_MS, now_ms

log = logging.getLogger("stormalert")

Step = Callable[[Database[dict[str, Any]]], None]

# All steps together; a lock that is older is a dead process's.
STEPS_S = 600
POLL_S = 0.2
# So long a start waits for whoever may run the steps, which is less than the compose file's start_period: a container that ends
# is unhealthy, and `docker compose up` does not wait for one that is.
WAIT_S = 90.0
UNAUTHORIZED = 13


def _wait_fields_of_deliveries(db: Database[dict[str, Any]]) -> None:
    """What was written before deliveries could wait has no moment and no summary to wait for."""
    for name, usual in (("due_ms", 0), ("summary", "")):
        db["deliveries"].update_many({name: {"$exists": False}}, {"$set": {name: usual}})
    for index in ("state_1_updated_ms_1", "state_1_summary_1"):
        _drop(db, "deliveries", index)


# By the version that it leads to. Versions 1 to 3 differ in their indexes only.
STEPS: dict[int, Step] = {4: _wait_fields_of_deliveries}
VERSION = max(STEPS)


def bring_forward(db: Database[dict[str, Any]], host: str, make_indexes: Callable[[], None]) -> None:
    """By whoever has the right to it; the others wait until it was done.

    Raises StormError when a newer StormAlert wrote the database, or nobody brings it forward; pymongo's errors pass.
    """
    if (version := version_of(db)) > VERSION:
        raise StormError(f"the store {host} was written by a newer StormAlert (schema {version}, this one knows {VERSION})")
    try:
        _run_steps(db)
        make_indexes()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        deadline_s = time.monotonic() + WAIT_S
        while (version := version_of(db)) < VERSION:
            if time.monotonic() >= deadline_s:
                raise StormError(
                    f"the store {host} has schema {version} and needs {VERSION}: the dashboard brings it forward when it starts"
                ) from None
            time.sleep(POLL_S)


def _run_steps(db: Database[dict[str, Any]]) -> None:
    while (version := version_of(db)) < VERSION:
        if not _take_lock(db):
            # Another process is at it.
            time.sleep(POLL_S)
            continue
        try:
            with pymongo.timeout(STEPS_S):
                for number, step in sorted(STEPS.items()):
                    if number > version:
                        step(db)
            _note(db, "schema", {"$max": {"version": VERSION}})
        finally:
            # Who may write here may not always do what a step does: the next one, who may, is not to wait for the lock to end.
            with suppress(PyMongoError):
                _note(db, "migration", {"$set": {"until_ms": 0}})
        log.info("store brought forward", extra={"from": version, "to": VERSION})
        return


def version_of(db: Database[dict[str, Any]]) -> int:
    """0 of a new database."""
    return int((db["meta"].find_one({"_id": "schema"}) or {}).get("version", 0))


def _note(db: Database[dict[str, Any]], name: str, change: dict[str, Any]) -> None:
    db["meta"].find_one_and_update({"_id": name}, change, upsert=True)


def _take_lock(db: Database[dict[str, Any]]) -> bool:
    over = {"_id": "migration", "until_ms": {"$lt": now_ms()}}
    try:
        db["meta"].find_one_and_update(over, {"$set": {"until_ms": now_ms() + STEPS_S * SECOND_MS}}, upsert=True)
    except DuplicateKeyError:
        return False
    return True


def _drop(db: Database[dict[str, Any]], collection: str, index: str) -> None:
    # One that is not there, or that must not be dropped, costs a little at most.
    with suppress(OperationFailure):
        db[collection].drop_index(index)
