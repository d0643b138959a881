"""Bringing a MongoDB database forward: numbered steps, each once, under a lock, before anybody else uses the database.

A step changes documents or drops indexes; new indexes need none, since every start makes those that are missing. It must be
possible to run a step again, because whoever ran it may have been killed before it was noted.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import pymongo
from pymongo import ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure

from stormalert.errors import StormError
from stormalert.units import SECOND_MS, now_ms

log = logging.getLogger("stormalert")

Step = Callable[[Database[dict[str, Any]]], None]

# All steps together; a lock that is older is a dead process's.
STEPS_S = 600
POLL_S = 0.2
# Of dropping an index that is not there.
NOT_FOUND = (26, 27)


def _wait_fields_of_deliveries(db: Database[dict[str, Any]]) -> None:
    """What was written before deliveries could wait has no moment and no summary to wait for."""
    for name, usual in (("due_ms", 0), ("summary", "")):
        db["deliveries"].update_many({name: {"$exists": False}}, {"$set": {name: usual}})
    for index in ("state_1_updated_ms_1", "state_1_summary_1"):
        _drop(db, "deliveries", index)


# By the version that it leads to. Versions 1 to 3 differ in their indexes only.
STEPS: dict[int, Step] = {4: _wait_fields_of_deliveries}
VERSION = max(STEPS)


def bring_forward(db: Database[dict[str, Any]], host: str) -> None:
    """Raises StormError when a newer StormAlert wrote the database; pymongo's errors pass."""
    while (version := _version(db)) < VERSION:
        if not _take_lock(db):
            # Another process is at it.
            time.sleep(POLL_S)
            continue
        with pymongo.timeout(STEPS_S):
            for number, step in sorted(STEPS.items()):
                if number > version:
                    step(db)
        _note(db, {"$max": {"version": VERSION}})
        db["meta"].delete_one({"_id": "migration"})
        log.info("store brought forward", extra={"from": version, "to": VERSION})
        return
    if version > VERSION:
        raise StormError(f"the store {host} was written by a newer StormAlert (schema {version}, this one knows {VERSION})")


def _version(db: Database[dict[str, Any]]) -> int:
    """0 of a new database."""
    return int(_note(db, {"$max": {"version": 0}})["version"])


def _note(db: Database[dict[str, Any]], change: dict[str, Any]) -> dict[str, Any]:
    after = ReturnDocument.AFTER
    return db["meta"].find_one_and_update({"_id": "schema"}, change, upsert=True, return_document=after) or {}


def _take_lock(db: Database[dict[str, Any]]) -> bool:
    over = {"_id": "migration", "until_ms": {"$lt": now_ms()}}
    try:
        db["meta"].find_one_and_update(over, {"$set": {"until_ms": now_ms() + STEPS_S * SECOND_MS}}, upsert=True)
    except DuplicateKeyError:
        return False
    return True


def _drop(db: Database[dict[str, Any]], collection: str, index: str) -> None:
    try:
        db[collection].drop_index(index)
    except OperationFailure as error:
        if error.code not in NOT_FOUND and "not found" not in str(error):
            raise
