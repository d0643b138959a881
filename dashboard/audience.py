"""Who listens to the relay, grouped by what they see, and how a frame reaches them."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from stormalert.model import Session

log = logging.getLogger("stormalert")

# Some twenty seconds of 500 lively prices. Who is further behind is dropped, and comes back to a fresh snapshot.
BEHIND_MAX_BYTES = 1_000_000


class Listener(ServerConnection):
    """A browser's connection; the handshake says whose it is, the start which tokens it sees."""

    session: Session
    tokens: frozenset[int]


class Audience:
    """Nothing here waits for a listener."""

    def __init__(self) -> None:
        self.dropped = 0
        self._by_user: dict[str, set[Listener]] = defaultdict(set)
        # Those with the same watchlist are sent the same frame.
        self._by_tokens: dict[frozenset[int], set[Listener]] = defaultdict(set)

    def __len__(self) -> int:
        return sum(map(len, self._by_user.values()))

    def __iter__(self) -> Iterator[Listener]:
        return (listener for group in self._by_user.values() for listener in group)

    def tokens(self) -> set[int]:
        """What anybody sees."""
        return set().union(*self._by_tokens)

    def add(self, listener: Listener) -> None:
        self._by_user[listener.session.user].add(listener)
        self._by_tokens[listener.tokens].add(listener)

    def remove(self, listener: Listener) -> None:
        _remove(self._by_user, listener.session.user, listener)
        _remove(self._by_tokens, listener.tokens, listener)

    def tell_user(self, user: str, frame: str) -> None:
        if user in self._by_user:
            self._tell(self._by_user[user], frame)

    def tell_everyone(self, frame: str) -> None:
        self._tell(self, frame)

    def tell_quotes(self, quotes: dict[int, list[Any]]) -> None:
        """To each watchlist what is on it."""
        parts = {token: f'"{token}":{json.dumps(quote, separators=(",", ":"))}' for token, quote in quotes.items()}
        for tokens, group in self._by_tokens.items():
            if seen := [part for token, part in parts.items() if token in tokens]:
                self._tell(group, f'{{"type":"quotes","quotes":{{{",".join(seen)}}}}}')

    def _tell(self, listeners: Iterable[Listener], frame: str) -> None:
        broadcast([listener for listener in listeners if self._keeps_up(listener)], frame)

    def _keeps_up(self, listener: Listener) -> bool:
        if listener.transport.get_write_buffer_size() <= BEHIND_MAX_BYTES:
            return True
        if not listener.transport.is_closing():
            self.dropped += 1
            log.info("slow listener dropped", extra={"user": listener.session.user})
            # Aborted, not closed: a closing frame would wait behind all the others.
            listener.transport.abort()
        return False


def _remove(groups: dict[Any, set[Listener]], key: object, listener: Listener) -> None:
    groups[key].discard(listener)
    if not groups[key]:
        del groups[key]
