"""A user's watchlist, changed as it is now: another tab may have changed it meanwhile."""

from collections.abc import Collection

from stormalert import words
from stormalert.errors import InputError
from stormalert.store import Store

# What three Kite sockets carry.
MOST = 9_000


def add(store: Store, user: str, tokens: Collection[int]) -> None:
    """Raises InputError."""
    watched = store.watchlist(user)
    new = [token for token in tokens if token not in watched]
    if not new:
        raise InputError("It is on the watchlist already.")
    if len(watched) + len(new) > MOST:
        raise InputError(f"A watchlist holds at most {words.grouped(MOST)} instruments.")
    store.save_watchlist(user, [*watched, *new])


def remove(store: Store, user: str, tokens: Collection[int]) -> None:
    store.save_watchlist(user, [token for token in store.watchlist(user) if token not in tokens])
