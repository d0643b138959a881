"""The generated market: what every instrument costs at every second, as a pure function of seed and time.

A price is its base moved by the market, by its sector, by its own walk, by the day's opening gap and now and then by a
jump. It is in session at all hours; a trading day is a calendar day in India.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sandbox.instruments import ListedInstrument
from sandbox.noise import Floats, mixed, uniform, walk, wave

Rows = NDArray[np.intp]
Units = NDArray[np.int64]

DAY_S = 86_400
INDIA_S = 19_800  # ahead of UTC

# Standard deviations of one minute, as fractions, at liveliness 1: a lively day, in which among any twenty stocks one
# moves by 0.3 % within nearly every minute.
MARKET, SECTOR, OWN = 0.0005, 0.0006, 0.0013
GAP = 0.008
JUMP_EVERY_S, JUMP_CHANCE = 600.0, 0.06

_MARKET_KEY, _SECTOR_KEY, _OWN_KEY, _GAP_KEY, _JUMP_KEY, _VOLUME_KEY, _TRAIT_KEY, _OWN_TRAIT_KEY = range(8)


class Candle(NamedTuple):
    """The prices, in units of the wire, and the volume of a stretch of time."""

    start_s: int
    open: int
    high: int
    low: int
    close: int
    volume: int


def day_of(time_s: float) -> int:
    """Number the Indian calendar day."""
    return int(time_s + INDIA_S) // DAY_S


def day_start_s(day: int) -> int:
    return day * DAY_S - INDIA_S


class GeneratedMarket:
    """Prices and volumes of a list of instruments; rows are positions in that list."""

    def __init__(self, instruments: Sequence[ListedInstrument], seed: int, liveliness: float = 1.0) -> None:
        sectors = {sector: number for number, sector in enumerate(sorted({it.sector for it in instruments}), start=1)}
        root = mixed(np.array([seed], np.uint64), 0)
        self._liveliness = liveliness
        self._market_key = mixed(root, _MARKET_KEY)
        self._sector = np.array([sectors[it.sector] if it.sector else 0 for it in instruments], np.intp)
        self._sector_keys = mixed(mixed(root, _SECTOR_KEY), np.arange(len(sectors) + 1, dtype=np.uint64))
        keys = mixed(root, np.array([it.follows or it.token for it in instruments], np.uint64))
        self._own_keys = mixed(keys, _OWN_KEY)
        self._gap_keys = mixed(keys, _GAP_KEY)
        self._jump_keys = mixed(keys, _JUMP_KEY)
        self._volume_keys = mixed(keys, _VOLUME_KEY)

        trait = uniform(mixed(keys, _TRAIT_KEY))
        is_index = np.array([it.is_index for it in instruments])
        self._beta = np.where(is_index, 1.0, 1.0 + 0.5 * trait)
        self._sector_share = np.where(self._sector > 0, 1.0, 0.0)
        self._own_share = np.where(is_index, 0.1, 1.0 + 0.4 * uniform(mixed(keys, _OWN_TRAIT_KEY)))
        self._has_jumps = np.where(is_index, 0.0, 1.0)
        self._volume_a_minute = np.where(is_index, 0.0, 200.0 * 40.0 ** (1.0 + trait) / 2)
        self.tick_units = np.array([round(it.tick_size * it.divisor) for it in instruments], np.int64)
        self._log_base = np.log([it.base * it.divisor for it in instruments])

    def __len__(self) -> int:
        return len(self._log_base)

    def price_units(self, rows: Rows, time_s: float | Floats) -> Units:
        """Give the price of each row at its time, rounded to the tick size, in units of the wire."""
        times = np.broadcast_to(np.asarray(time_s, np.float64), rows.shape)
        moved = self._walks(rows, times) + self._gaps(rows, times) + self._jumps(rows, times)
        ticks = np.rint(np.exp(self._log_base[rows] + self._liveliness * moved) / self.tick_units[rows])
        return np.maximum(ticks.astype(np.int64), 1) * self.tick_units[rows]

    def volume(self, rows: Rows, time_s: float | Floats) -> Units:
        """Give what was traded since midnight; it never falls within a day."""
        times = np.broadcast_to(np.asarray(time_s, np.float64), rows.shape)
        minutes = (times + INDIA_S) % DAY_S / 60.0
        # The wave has a slope of at most 1/2 a minute, so that twice it never outruns the minutes.
        uneven = minutes + 2.0 * (wave(self._volume_keys[rows], times, 240.0) + 1.0)
        return (self._volume_a_minute[rows] * uneven).astype(np.int64)

    def candles(self, row: int, starts_s: range, now_s: int, samples: int = 12) -> Iterator[Candle]:
        """Give the candles that begin at `starts_s`, as far as known by now; each opens where the one before it closed."""
        if not starts_s:
            return
        starts = np.array(starts_s)
        times: Floats = np.minimum(starts[:, None] + np.linspace(0.0, starts_s.step, samples + 1), float(now_s))
        prices = self.price_units(np.full(times.shape, row), times)
        inside = np.full(starts.shape, row)
        # Volume starts at zero at midnight: only the end of a candle that ends there belongs to another day.
        volumes = self.volume(inside, times[:, -1] - 0.001) - self.volume(inside, times[:, 0])
        for start_s, path, volume in zip(starts.tolist(), prices.tolist(), volumes.tolist(), strict=True):
            yield Candle(start_s, path[0], max(path), min(path), path[-1], max(volume, 0))

    def _walks(self, rows: Rows, times: Floats) -> Floats:
        own = OWN * self._own_share[rows] * walk(self._own_keys[rows], times)
        if (times == times.flat[0]).all():  # one moment for all: a factor is needed once, not for every row
            moment = times.reshape(-1)[:1]
            market = walk(self._market_key, moment)[0]
            sector = walk(self._sector_keys, moment)[self._sector[rows]]
        else:
            market = walk(np.broadcast_to(self._market_key, rows.shape), times)
            sector = walk(self._sector_keys[self._sector[rows]], times)
        factors: Floats = MARKET * self._beta[rows] * market + SECTOR * self._sector_share[rows] * sector
        return own + factors

    def _gaps(self, rows: Rows, times: Floats) -> Floats:
        days = ((times + INDIA_S) // DAY_S).astype(np.uint64)
        market = uniform(mixed(self._market_key, days))
        own = uniform(mixed(self._gap_keys[rows], days))
        return GAP * (0.5 * self._beta[rows] * market + 0.5 * self._own_share[rows] * own)

    def _jumps(self, rows: Rows, times: Floats) -> Floats:
        """Give the sudden moves: at a chance moment of some ten-minute stretches, worn off by the end of it."""
        position = times / JUMP_EVERY_S
        stretch = np.floor(position)
        keys = mixed(self._jump_keys[rows], stretch.astype(np.uint64))
        happens = np.abs(uniform(keys)) < JUMP_CHANCE
        moment = 0.45 + 0.35 * uniform(mixed(keys, 1))
        size = uniform(mixed(keys, 2))
        size = np.copysign(0.004 + 0.011 * np.abs(size), size)
        left = (1.0 - (position - stretch)) / (1.0 - moment)
        return np.where(happens & (left <= 1.0), size * left, 0.0) * self._has_jumps[rows]
