"""A rule as one line of text, for chats and forms: `NSE:INFY rolling up 2% 5m`, `watchlist rolling 1% 3m once`.

    <instrument or watchlist> <kind> <percent or price> [<window>] [up|down|both] [every|once] [cooldown <duration>]

Where several rules may be made, instruments stand in a row: `NSE:INFY, NSE:TCS day down 3%`. Behind the kind the order is free.
Nothing is guessed: what does not fit is refused with what was found and what was expected.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Kind, Repeat, Rule
from stormalert.rules.condition import listed, made
from stormalert.rules.condition import read as read_condition
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import FIELDS, WINDOW
from stormalert.units import UNITS, is_duration, joined, short_duration

EXAMPLE = "NSE:INFY rolling up 2% 5m"
WATCHLIST_WORD = "watchlist"
# What a rule on a watchlist has in the place of a symbol.
WATCHLIST = "My watchlist"
LONGEST = 200

_KINDS = tuple(Kind)
_COOLDOWN = "cooldown"
_SYMBOL = re.compile(r"[A-Za-z]+:\S.*")
# What is meant for an amount or a time, of whatever digits and signs; whether it is one is told by its reader. An e between
# digits: 1e3.
_NUMBER = r"[^\sA-Za-z]*\d(?:[^\sA-Za-z]|(?<=\d)e(?=[+-]?\d))*"
_AMOUNT = re.compile(rf"(₹|rs\.?|inr)?{_NUMBER}", re.IGNORECASE)
_TIME = re.compile(rf"({_NUMBER}({UNITS}))+", re.IGNORECASE)

Find = Callable[[str], Instrument | None]


class UnknownInstrument(InputError):
    """`symbol`: what is in the place of an instrument, and is none."""

    def __init__(self, symbol: str, text: str) -> None:
        super().__init__(text)
        self.symbol = symbol


class SplitLine(NamedTuple):
    """`subjects`: instruments, or the watchlist, as they are written; `fields`: a rule's own."""

    subjects: list[str]
    fields: dict[str, Any]


def read(line: str, find: Find, *, id: str, user: str) -> Rule:
    """The rule that the line describes; `find` gives the instrument of a symbol. Raises InputError."""
    subject, fields = _split(line)
    return rule_on(subject, fields, find, id=id, user=user)


def read_several(line: str) -> SplitLine:
    """The line's condition, and what it is on. Raises InputError."""
    subject, fields = _split(line)
    return SplitLine([part.strip() for part in subject.split(",")], fields)


def rule_on(subject: str, fields: dict[str, Any], find: Find, *, id: str, user: str) -> Rule:
    """Raises InputError."""
    if is_watchlist(subject):
        token, symbol = 0, WATCHLIST
    else:
        instrument = find_instrument(subject, find)
        token, symbol = instrument.token, instrument.symbol
    return made(fields | {"id": id, "user": user, "token": token, "symbol": symbol})


def is_watchlist(subject: str) -> bool:
    return subject.lower() == WATCHLIST_WORD


def _split(line: str) -> tuple[str, dict[str, Any]]:
    if len(line) > LONGEST:
        raise InputError(f"a rule has at most {LONGEST} characters, found {len(line)}")
    words = line.split()
    # The last one: an instrument's own name may hold such a word, and nothing behind the kind does.
    place = max((at for at, word in enumerate(words) if word.lower() in _KINDS), default=-1)
    if place < 0:
        raise InputError(f"found no kind of rule in {line.strip()!r}, expected {listed(_KINDS)}: {EXAMPLE}")
    subject = " ".join(words[:place])
    texts = _texts(Kind(words[place].lower()), joined(" ".join(words[place + 1 :])).split())
    return subject, read_condition(texts, is_on_watchlist=is_watchlist(subject))


def write(rule: Rule) -> str:
    """The line that `read` makes the same condition of."""
    it = KINDS[rule.kind]
    parts = [WATCHLIST_WORD if rule.is_on_watchlist else rule.symbol, str(rule.kind)]
    if rule.direction is not Direction.BOTH:
        parts.append(str(rule.direction))
    parts += [field.write(getattr(rule, field.attribute)) for field in it.fields]
    if rule.repeat is Repeat.ONCE:
        parts.append(str(rule.repeat))
    if rule.cooldown_ms != it.usual_cooldown_ms(rule.window_ms):
        parts += [_COOLDOWN, short_duration(rule.cooldown_ms)]
    return " ".join(parts)


def find_instrument(symbol: str, find: Find) -> Instrument:
    """Raises InputError."""
    if not _SYMBOL.fullmatch(symbol):
        found = f"{symbol!r}" if symbol else "nothing"
        raise UnknownInstrument(
            symbol, f"found {found} in the place of an instrument, expected exchange and symbol such as NSE:INFY"
        )
    instrument = find(symbol)
    if instrument is None:
        raise UnknownInstrument(symbol, f"found no instrument {symbol!r}, expected one that Kite lists, such as NSE:INFY")
    return instrument


def _texts(kind: Kind, words: list[str]) -> dict[str, str]:
    """The words behind the kind by the names of their fields. Raises InputError."""
    texts = {"kind": str(kind)}
    for name, text in _named(kind, iter(words)):
        if name in texts:
            raise InputError(f"found {text!r} after another {_NOUNS.get(name, name)}, expected one only")
        texts[name] = text
    return texts


def _named(kind: Kind, words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        folded = word.lower()
        if folded in tuple(Direction):
            yield "direction", word
        elif folded in tuple(Repeat):
            yield "repeat", word
        elif folded == _COOLDOWN:
            yield _COOLDOWN, _pause(next(words, ""))
        elif is_duration(word) or (KINDS[kind].has_window and _TIME.fullmatch(word)):
            yield WINDOW.name, word
        elif _AMOUNT.fullmatch(word):
            yield KINDS[kind].amount.name, word
        else:
            raise InputError(f"found {word!r}, expected {_expected(kind)}, up, down, both, every, once or cooldown 10m")


_NOUNS = {"repeat": "every or once"}


def _pause(word: str) -> str:
    if not (is_duration(word) or _TIME.fullmatch(word) or _AMOUNT.fullmatch(word)):
        raise InputError(f"found {repr(word) if word else 'nothing'} after cooldown, expected a duration such as 10m")
    return word


def _expected(kind: Kind) -> str:
    return ", ".join(f"a {field.name} such as {field.example}" for field in FIELDS if field in KINDS[kind].fields)
