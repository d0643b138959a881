"""Who listens to the relay, grouped by what they see, and how a frame reaches them."""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from dashboard.relay.query import QUOTES, Query
from stormalert.model import Session

log = logging.getLogger("stormalert")

# Who is so far behind gets no more prices until they have caught up, and then the newest of each.
HELD_BACK_BYTES = 131_072
# Who is that for so long, or much further behind, is dropped, and comes back to a fresh snapshot.
HELD_BACK_MAX_S = 10
BEHIND_MAX_BYTES = 1_000_000
REASONS_MAX = 10_000


class Listener(ServerConnection):
    """A browser's connection; the handshake says whose it is, the start which tokens it sees."""

    session: Session
    query: Query
    tokens: frozenset[int]
    # Prices that were held back.
    owed: set[int]
    held_since_s: float


class Subscribers:
    """Nothing here waits for a listener."""

    def __init__(self) -> None:
        self.dropped = 0
        self.held_back = 0
        # Why a session's page was dropped, until it comes back.
        self._reasons: dict[str, str] = {}
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

    def users(self) -> set[str]:
        return set(self._by_user)

    def add(self, listener: Listener) -> None:
        self._by_user[listener.session.user].add(listener)
        if QUOTES in listener.query.topics:
            self._by_tokens[listener.tokens].add(listener)

    def remove(self, listener: Listener) -> None:
        _remove(self._by_user, listener.session.user, listener)
        _remove(self._by_tokens, listener.tokens, listener)

    def of(self, user: str) -> Iterable[Listener]:
        return tuple(self._by_user.get(user, ()))

    def reason(self, listener: Listener) -> str:
        """Why the page that comes back was dropped; empty when it was not."""
        return self._reasons.pop(listener.session.id, "")

    def tell_user(self, user: str, topic: str, frame: str) -> None:
        if user in self._by_user:
            self.tell(topic, self._by_user[user], frame)

    def tell_everyone(self, topic: str, frame: str) -> None:
        self.tell(topic, self, frame)

    def tell(self, topic: str, listeners: Iterable[Listener], frame: str) -> None:
        self._tell((it for it in listeners if topic in it.query.topics), frame)

    def tell_quotes(self, changed: Collection[int], quotes: Mapping[int, list[Any]]) -> None:
        """To each watchlist what changed on it."""
        parts = {token: _part(token, quotes[token]) for token in changed}
        for tokens, group in self._by_tokens.items():
            seen = [token for token in parts if token in tokens]
            ready = [it for it in group if not self._holds_back(it, seen)]
            if seen:
                self._tell(ready, _quotes_frame(parts[token] for token in seen))
            for listener in ready:
                if listener.owed:
                    # Those of this turn are with them already.
                    owed, listener.owed = listener.owed.difference(seen), set()
                    self._tell([listener], _quotes_frame(_part(token, quotes[token]) for token in owed))
                listener.held_since_s = 0

    def _holds_back(self, listener: Listener, tokens: Iterable[int]) -> bool:
        if listener.transport.get_write_buffer_size() <= HELD_BACK_BYTES:
            return False
        listener.owed.update(tokens)
        self.held_back += 1
        now_s = time.monotonic()
        listener.held_since_s = listener.held_since_s or now_s
        if now_s - listener.held_since_s > HELD_BACK_MAX_S:
            self._drop(listener)
        return True

    def _tell(self, listeners: Iterable[Listener], frame: str) -> None:
        broadcast([listener for listener in listeners if self._keeps_up(listener)], frame)

    def _keeps_up(self, listener: Listener) -> bool:
        if listener.transport.get_write_buffer_size() <= BEHIND_MAX_BYTES:
            return True
        self._drop(listener)
        return False

    def _drop(self, listener: Listener) -> None:
        if not listener.transport.is_closing():
            self.dropped += 1
            log.info("slow listener dropped", extra={"user": listener.session.user})
            while len(self._reasons) >= REASONS_MAX:
                del self._reasons[next(iter(self._reasons))]
            self._reasons[listener.session.id] = "The page did not read what was sent to it, so its connection was cut."
            # Aborted, not closed: a closing frame would wait behind all the others.
            listener.transport.abort()


def _remove(groups: dict[Any, set[Listener]], key: object, listener: Listener) -> None:
    groups[key].discard(listener)
    if not groups[key]:
        del groups[key]


def _part(token: int, quote: list[Any]) -> str:
    return f'"{token}":{json.dumps(quote, separators=(",", ":"))}'


def _quotes_frame(parts: Iterable[str]) -> str:
    return f'{{"type":"quotes","quotes":{{{",".join(parts)}}}}}'
