"""The market and the rules that the benchmarks share: 500 instruments that wander, rules from 2 % to 20 %."""

import random
from collections.abc import Iterator

from stormalert.model import Direction, Kind, Rule, Tick

INSTRUMENTS = 500
START_MS = 1_700_000_000_000
WINDOWS_MS = (60_000, 300_000, 900_000, 3_600_000)
TICK_SIZE_E4 = 500
# A stock that moves some 30 % a year, ticking twice a second.
STEP = 0.00015


def rules(count: int) -> Iterator[Rule]:
    dice = random.Random(1)
    for place in range(count):
        kind = Kind.ROLLING if dice.random() < 0.7 else Kind.TRAILING
        yield Rule(
            id=f"r{place}",
            user=f"u{place % 1_000}",
            token=1 + place % INSTRUMENTS,
            symbol="NSE:X",
            kind=kind,
            direction=dice.choice(list(Direction)),
            percent_e2=dice.randint(200, 2_000),
            window_ms=dice.choice(WINDOWS_MS) if kind is Kind.ROLLING else 0,
            revision=1,
        )


def ticks(count: int, per_second: int = 1_000) -> Iterator[Tick]:
    dice = random.Random(2)
    prices_e4 = {token: dice.randint(2_000, 400_000) * TICK_SIZE_E4 for token in range(1, INSTRUMENTS + 1)}
    for place in range(count):
        token = dice.randint(1, INSTRUMENTS)
        step = round(dice.gauss(0, 1) * STEP * prices_e4[token] / TICK_SIZE_E4)
        prices_e4[token] = max(prices_e4[token] + step * TICK_SIZE_E4, TICK_SIZE_E4)
        yield Tick(token, prices_e4[token], START_MS + place * 1_000 // per_second)
