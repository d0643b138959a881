"""A rule as one line of text, for chats and forms: `NSE:INFY rolling up 2% 5m`, `watchlist rolling 1% 3m once`.

    <instrument or watchlist> <kind> <percent or price> [<window>] [up|down|both] [every|once] [cooldown <duration>]

Where several rules may be made, instruments stand in a row: `NSE:INFY, NSE:TCS day down 3%`. Behind the kind the order is free.
Nothing is guessed: what does not fit is refused with what was found and what was expected.
"""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from stormalert.errors import InputError
from stormalert.model import (
    COOLDOWN_MAX_MS,
    WINDOW_MAX_MS,
    WINDOW_MIN_MS,
    Direction,
    Instrument,
    Kind,
    Repeat,
    Rule,
    sentences,
    usual_cooldown_ms,
)
from stormalert.units import (
    HOUR_MS,
    MINUTE_MS,
    SECOND_MS,
    format_percent,
    format_price,
    parse_duration_ms,
    parse_percent_e2,
    parse_price_e4,
)

EXAMPLE = "NSE:INFY rolling up 2% 5m"
WATCHLIST_WORD = "watchlist"
# What a rule on a watchlist has in the place of a symbol.
WATCHLIST = "My watchlist"
ALL_OF_IT_E2 = 100 * 100
LONGEST = 200

_KINDS = tuple(Kind)
_DIRECTIONS = tuple(Direction)
_REPEATS = tuple(Repeat)
_COOLDOWN = "cooldown"
_SYMBOL = re.compile(r"[A-Za-z]+:\S.*")
# A unit may stand apart: 2 %, 5 m.
_APART = re.compile(r"(?<=\d)\s+(?=(%|ms|s|m|h)(\s|$))")
_DURATION = re.compile(r"[0-9]+(ms|s|m|h)")
_AMOUNT = re.compile(r"[0-9.]+%?")

Find = Callable[[str], Instrument | None]


class UnknownInstrument(InputError):
    """`symbol`: what is in the place of an instrument, and is none."""

    def __init__(self, symbol: str, text: str) -> None:
        super().__init__(text)
        self.symbol = symbol


class Line(NamedTuple):
    """`subjects`: instruments, or the watchlist, as they are written; `fields`: a rule's own."""

    subjects: list[str]
    fields: dict[str, Any]


Word = TypeVar("Word", bound=StrEnum)


def read(line: str, find: Find, *, id: str, user: str) -> Rule:
    """The rule that the line describes; `find` gives the instrument of a symbol. Raises InputError."""
    subject, fields = _split(line)
    return rule_on(subject, fields, find, id=id, user=user)


def read_several(line: str) -> Line:
    """The line's condition, and what it is on. Raises InputError."""
    subject, fields = _split(line)
    return Line([part.strip() for part in subject.split(",")], fields)


def rule_on(subject: str, fields: dict[str, Any], find: Find, *, id: str, user: str) -> Rule:
    """Raises InputError."""
    if subject.lower() == WATCHLIST_WORD:
        token, symbol = 0, WATCHLIST
    else:
        instrument = find_instrument(subject, find)
        token, symbol = instrument.token, instrument.symbol
    try:
        return Rule.model_validate(fields | {"id": id, "user": user, "token": token, "symbol": symbol})
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


def _split(line: str) -> tuple[str, dict[str, Any]]:
    if len(line) > LONGEST:
        raise InputError(f"a rule has at most {LONGEST} characters, found {len(line)}")
    words = line.split()
    # The last one: an instrument's own name may hold such a word, and nothing behind the kind does.
    place = max((at for at, word in enumerate(words) if word.lower() in _KINDS), default=-1)
    if place < 0:
        raise InputError(f"found no kind of rule in {line.strip()!r}, expected rolling, trailing, day or level: {EXAMPLE}")
    return " ".join(words[:place]), condition(words[place], " ".join(words[place + 1 :]))


def write(rule: Rule) -> str:
    """The line that `read` makes the same condition of."""
    parts = [WATCHLIST_WORD if rule.is_on_watchlist else rule.symbol, str(rule.kind)]
    if rule.direction is not Direction.BOTH:
        parts.append(str(rule.direction))
    parts.append(format_price(rule.price_e4) if rule.kind is Kind.LEVEL else f"{short_percent(rule.percent_e2)}%")
    if rule.window_ms:
        parts.append(short_duration(rule.window_ms))
    if rule.repeat is Repeat.ONCE:
        parts.append(str(rule.repeat))
    if rule.cooldown_ms != usual_cooldown_ms(rule.kind, rule.window_ms):
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


def condition(kind_word: str, text: str) -> dict[str, Any]:
    """A rule's own fields from its kind and what follows it. Raises InputError."""
    kind = Kind(kind_word.lower())
    fields: dict[str, Any] = {}
    words = iter(_APART.sub("", text).split())
    for word in words:
        name, value = _field(kind, word, words)
        if name in fields:
            raise InputError(f"found {word!r} after another {_NOUNS[name]}, expected one only")
        fields[name] = value
    _check(kind, fields)
    return {"kind": kind, "direction": Direction.BOTH, "repeat": Repeat.EVERY} | fields


def short_duration(duration_ms: int) -> str:
    """As a person types it: 1h, 5m, 90s."""
    for unit_ms, unit in ((HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")):
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms}ms" if duration_ms else "0s"


def short_percent(percent_e2: int) -> str:
    """As a person types it: 2, 2.5."""
    return format_percent(percent_e2).rstrip("0").rstrip(".")


def plain_price(text: str) -> str:
    """A price without what a person may write around its digits: ₹12,500.05."""
    return text.removeprefix("₹").replace(",", "")


def window_ms(text: str) -> int:
    """Raises InputError."""
    return _duration("window", text, WINDOW_MIN_MS, WINDOW_MAX_MS)


def cooldown_ms(text: str) -> int:
    """Raises InputError."""
    return _duration("cooldown", text, 0, COOLDOWN_MAX_MS)


def falls_by_all(direction: Direction | None, percent_e2: int) -> bool:
    """Whether it waits for a fall that no price can have."""
    return direction is Direction.DOWN and percent_e2 >= ALL_OF_IT_E2


def one_of(words: Sequence[Word], text: str, noun: str) -> Word:
    """The word that the text is. Raises InputError."""
    for word in words:
        if word == text.strip():
            return word
    raise InputError(f"{noun} must be one of {', '.join(words)}, was {text.strip()!r}")


_NOUNS = {
    "direction": "direction",
    "repeat": "every or once",
    "cooldown_ms": "cooldown",
    "window_ms": "window",
    "percent_e2": "percent",
    "price_e4": "price",
}


def _field(kind: Kind, word: str, rest: Any) -> tuple[str, Any]:
    folded = word.lower()
    if folded in _DIRECTIONS:
        return "direction", Direction(folded)
    if folded in _REPEATS:
        return "repeat", Repeat(folded)
    if folded == _COOLDOWN:
        following = next(rest, "")
        if not _DURATION.fullmatch(following.lower()):
            found = f"{following!r}" if following else "nothing"
            raise InputError(f"found {found} after cooldown, expected a duration such as 10m")
        return "cooldown_ms", cooldown_ms(following)
    if _DURATION.fullmatch(folded):
        if kind is not Kind.ROLLING:
            raise InputError(f"found the window {word!r}, but only a rolling rule has one; a pause is written: cooldown {word}")
        return "window_ms", window_ms(word)
    amount = plain_price(folded) if kind is Kind.LEVEL else folded
    if not _AMOUNT.fullmatch(amount):
        raise InputError(f"found {word!r}, expected {_expected(kind)}, up, down, both, every, once or cooldown 10m")
    if kind is Kind.LEVEL:
        return "price_e4", parse_price_e4(amount)
    return "percent_e2", parse_percent_e2(amount)


def _duration(noun: str, text: str, least_ms: int, most_ms: int) -> int:
    found_ms = parse_duration_ms(text.lower())
    if not least_ms <= found_ms <= most_ms:
        raise InputError(f"found the {noun} {text!r}, expected {short_duration(least_ms)} to {short_duration(most_ms)}")
    return found_ms


def _check(kind: Kind, fields: dict[str, Any]) -> None:
    if ("price_e4" if kind is Kind.LEVEL else "percent_e2") not in fields:
        raise InputError(f"found no {'price' if kind is Kind.LEVEL else 'percent'} after {kind}, expected {_expected(kind)}")
    if kind is Kind.ROLLING and "window_ms" not in fields:
        raise InputError("found no window, expected how fast it must happen, such as 5m: a rolling rule needs one")
    if falls_by_all(fields.get("direction"), fields.get("percent_e2", 0)):
        raise InputError(
            f"found down {short_percent(fields['percent_e2'])}%, expected less than 100%: a price cannot fall by all of itself"
        )


def _expected(kind: Kind) -> str:
    return {Kind.LEVEL: "a price such as 1500", Kind.ROLLING: "a percent such as 2%, a window such as 5m"}.get(
        kind, "a percent such as 2%"
    )
