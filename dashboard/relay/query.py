"""What a page asks the relay for, in the query of its address."""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from stormalert.errors import InputError

STATUS, ALERTS, QUOTES, TRIGGERS = TOPICS = ("status", "alerts", "quotes", "triggers")
# An address has some 8,000 characters.
TOKENS_MAX = 500
_PLACE = re.compile(r"(s[0-9]{1,4}):([0-9]{1,18}-[0-9]{1,18})")


class Query(NamedTuple):
    """`tokens`: the instruments, None for those of the watchlist; `after`: by shard, the entry up to which alerts are known."""

    topics: frozenset[str]
    tokens: tuple[int, ...] | None
    after: dict[str, str]


def read(path: str) -> Query:
    """`/ws?topics=alerts,quotes&tokens=408065,738561&after=s0:1700000000000-0`, each part as one likes. Raises InputError."""
    try:
        query = parse_qs(urlsplit(path).query, max_num_fields=10)
    except ValueError as error:
        raise InputError(f"the address cannot be read: {error}") from None
    topics = _list(query, "topics")
    if unknown := set(topics) - set(TOPICS):
        raise InputError(f"topics are {', '.join(TOPICS)}, was {sorted(unknown)[0][:20]!r}")
    tokens = _list(query, "tokens")
    if len(tokens) > TOKENS_MAX or not all(re.fullmatch("[0-9]{1,10}", token) for token in tokens):
        raise InputError(f"tokens are at most {TOKENS_MAX} whole numbers")
    places = [_PLACE.fullmatch(place) for place in _list(query, "after")]
    if not all(places):
        raise InputError("after is a shard and the id of an entry, such as s0:1700000000000-0")
    return Query(
        frozenset(topics or TOPICS),
        tuple(map(int, tokens)) if tokens else None,
        {place[1]: place[2] for place in places if place},
    )


def _list(query: dict[str, list[str]], name: str) -> list[str]:
    return [part for text in query.get(name, ()) for part in text.split(",") if part]
