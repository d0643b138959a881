"""What the peers take and give: plain tuples, prices in rupees x 10,000, percents in hundredths, times in ms."""

from typing import NamedTuple


class PeerTick(NamedTuple):
    token: int
    price_e4: int
    time_ms: int


class PeerRule(NamedTuple):
    """A rolling rule, or a trailing one where the window is 0."""

    id: str
    token: int
    direction: str
    percent_e2: int
    window_ms: int
    is_once: bool
    cooldown_ms: int
    armed_at_ms: int

    @property
    def sides(self) -> tuple[str, ...]:
        return ("up", "down") if self.direction == "both" else (self.direction,)


class PeerAlert(NamedTuple):
    time_ms: int
    rule: str
    direction: str
    price_e4: int
    reference_e4: int
