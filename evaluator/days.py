"""The days of a recording: what is evaluated at once, and the previous closes that hold for it. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stormalert.market.days import day_began_ms
from stormalert.model import Tick
from stormalert.units import DAY_MS


class Part(NamedTuple):
    """Ticks in their order; no instrument has ticks of two days among them. `closes_e4`: by token, where they changed."""

    closes_e4: dict[int, int]
    ticks: list[Tick]


class _DayOf:
    __slots__ = ("day_ends_ms", "last_e4")

    def __init__(self, day_ends_ms: int) -> None:
        self.day_ends_ms = day_ends_ms
        self.last_e4 = 0


def parts(ticks: Iterable[Tick], most: int) -> Iterator[Part]:
    """A recording says nothing of previous closes, so that an instrument's last price of its former Indian day is taken."""
    instruments: dict[int, _DayOf] = {}
    seen: set[int] = set()
    part = Part({}, [])
    for tick in ticks:
        known = instruments.get(tick.token)
        if known is None or tick.time_ms >= known.day_ends_ms:
            if tick.token in seen:
                yield part
                part, seen = Part({}, []), set()
            if known:
                part.closes_e4[tick.token] = known.last_e4
            known = instruments[tick.token] = _DayOf(day_began_ms(tick.time_ms) + DAY_MS)
        known.last_e4 = tick.price_e4
        seen.add(tick.token)
        part.ticks.append(tick)
        if len(part.ticks) == most:
            yield part
            part, seen = Part({}, []), set()
    if part.ticks:
        yield part
