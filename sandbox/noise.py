"""Random walks that are pure functions of key and time: the price of any second can be had again, in any order.

A walk is a sum of value-noise octaves whose size grows with the square root of their period, which is how the spread of
a price grows with time.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.uint64]

PERIODS_S = 4.0 ** np.arange(11)  # one second to twelve days
_OCTAVES = np.arange(1, 12, dtype=np.uint64)
# Measured: with it, the change of a walk over one minute has a standard deviation of one.
_ONE_MINUTE = 0.156
_SIZES = np.sqrt(PERIODS_S) * _ONE_MINUTE

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def mixed(keys: Keys, salt: Keys | int) -> Keys:
    """Derive new keys, unrelated to the old ones, one for each salt (splitmix64)."""
    x = keys + (np.atleast_1d(np.asarray(salt, np.uint64)) + np.uint64(1)) * _GOLDEN
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    derived: Keys = x ^ (x >> np.uint64(31))
    return derived


def uniform(keys: Keys) -> Floats:
    """Give the number in [-1, 1) that belongs to each key."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def wave(keys: Keys, time_s: Floats, period_s: float) -> Floats:
    """Give noise in [-1, 1] that takes a new value every period and is linear between."""
    return _interpolated(keys, time_s / period_s)


def walk(keys: Keys, time_s: Floats) -> Floats:
    """Give each key's walk at its time."""
    octave_keys = mixed(keys[..., None], _OCTAVES)
    walked: Floats = _interpolated(octave_keys, time_s[..., None] / PERIODS_S) @ _SIZES
    return walked


def _interpolated(keys: Keys, position: Floats) -> Floats:
    cell = np.floor(position)
    fraction = position - cell
    index = cell.astype(np.uint64)
    before = uniform(mixed(keys, index))
    after = uniform(mixed(keys, index + np.uint64(1)))
    return before + (after - before) * fraction
