"""Stretches in which prices were lost."""

from typing import NamedTuple


class Gap(NamedTuple):
    """`lost` counts packets that are known to be lost; 0 where nobody can know how many there were."""

    from_ms: int
    to_ms: int
    reason: str
    lost: int
