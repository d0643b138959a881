"""MongoDB for the contract: mongomock in the process, or a throw-away database on a real server."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mongomock
import pytest
from mongomock import collection
from pymongo import MongoClient

from stormalert.access.security import new_id
from stormalert.store import Store
from stormalert.store.mongo import Mongo

# What a real server does to one document at a time, mongomock does in several steps.
ONE_STEP = (
    "find_one",
    "find_one_and_delete",
    "find_one_and_replace",
    "find_one_and_update",
    "insert_many",
    "bulk_write",
    "update_one",
    "delete_one",
)


@contextmanager
def mocked(patch: pytest.MonkeyPatch) -> Iterator[Store]:
    mend(patch)
    uri = "mongodb://localhost/contract"
    store = Store(Mongo(uri, mongomock.MongoClient(uri)))
    yield store
    store.close()


@contextmanager
def real(uri: str) -> Iterator[Store]:
    """On a database of its own name, which is dropped afterwards."""
    name = f"storm_test_{new_id()}"
    address, _, options = uri.partition("?")
    scheme, _, rest = address.partition("://")
    own = f"{scheme}://{rest.partition('/')[0]}/{name}" + (f"?{options}" if options else "")
    if "@" in own and "authSource" not in own:
        # Without it the user would be looked for in the throw-away database.
        own += f"{'&' if options else '?'}authSource={rest.partition('/')[2] or 'admin'}"
    store = Store(Mongo(own))
    try:
        yield store
    finally:
        store.close()
        with MongoClient[Any](own) as client:
            client.drop_database(name)


def mend(patch: pytest.MonkeyPatch) -> None:
    """mongomock's two differences from a server that matter here: atomic writes, and `sort` of pymongo's bulk operations."""
    lock = threading.RLock()

    def in_one_step(method: Any) -> Any:
        def locked(*arguments: Any, **options: Any) -> Any:
            with lock:
                return method(*arguments, **options)

        return locked

    for name in ONE_STEP:
        patch.setattr(collection.Collection, name, in_one_step(getattr(collection.Collection, name)))
    add_replace = collection.BulkOperationBuilder.add_replace

    def without_sort(self: Any, *arguments: Any, sort: None = None, **options: Any) -> Any:
        return add_replace(self, *arguments, **options)

    patch.setattr(collection.BulkOperationBuilder, "add_replace", without_sort)
