"""The market and the rules that the benchmarks share: 500 instruments that wander, rules from 2 % to 20 %. Always the same."""

import random
from collections.abc import Iterator

from stormalert.model import Direction, Kind, Rule, Tick

INSTRUMENTS = 500
START_MS = 1_700_000_000_000
WINDOWS_MS = (60_000, 300_000, 900_000, 3_600_000)
TICK_SIZE_E4 = 500
TICKS_A_SECOND = 1_000
# A stock that moves some 30 % a year, ticking twice a second: nearly no rule fires.
TYPICAL_STEP = 0.00015
# A day on which everything moves ten times as much.
LIVELY_STEP = 0.0015


def rules(count: int, id_letters: int = 0, instruments: int = INSTRUMENTS) -> Iterator[Rule]:
    """Ids of rules and of a thousand users are as short as can be, or have that many letters, as the dashboard's have."""
    dice = random.Random(1)
    digits = max(id_letters - 1, 0)
    for place in range(count):
        kind = Kind.ROLLING if dice.random() < 0.7 else Kind.TRAILING
        yield Rule(
            id=f"r{place:0{digits}d}",
            user=f"u{place % 1_000:0{digits}d}",
            token=1 + place % instruments,
            symbol="NSE:X",
            kind=kind,
            direction=dice.choice(list(Direction)),
            percent_e2=dice.randint(200, 2_000),
            window_ms=dice.choice(WINDOWS_MS) if kind is Kind.ROLLING else 0,
            revision=1,
        )


class BenchMarket:
    """Goes on where it was; no two ticks have the same time unless there are more than 1,000 a second."""

    def __init__(self, instruments: int = INSTRUMENTS, ticks_a_second: int = TICKS_A_SECOND) -> None:
        self._dice = random.Random(2)
        self._prices_e4 = {token: self._dice.randint(2_000, 400_000) * TICK_SIZE_E4 for token in range(1, instruments + 1)}
        self._ticks_a_second = ticks_a_second
        self._count = 0

    def ticks(self, count: int, step: float = TYPICAL_STEP, instruments: int = INSTRUMENTS) -> list[Tick]:
        """The next ones, of the first so many instruments."""
        instruments = min(instruments, len(self._prices_e4))
        return [self._tick(self._dice.randint(1, instruments), step) for _ in range(count)]

    def _tick(self, token: int, step: float) -> Tick:
        price_e4 = self._prices_e4[token]
        ticks_moved = round(self._dice.gauss(0, 1) * step * price_e4 / TICK_SIZE_E4)
        price_e4 = self._prices_e4[token] = max(price_e4 + ticks_moved * TICK_SIZE_E4, TICK_SIZE_E4)
        self._count += 1
        return Tick(token, price_e4, START_MS + self._count * 1_000 // self._ticks_a_second)
