"""Which packets become ticks. Pure: the same packets always give the same ticks.

In this order: a price above 0; the instrument's continuous session is open; not the cached tick that every subscription
replays; not a repeat; a jump beyond the guard waits for a second print. A day high or low that moved although no print showed
it becomes a tick of its own.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum

from ingest.decode import Row, price_e4
from stormalert.model import Tick
from stormalert.units import PRICE_MAX_E4

# The first packet after a subscription is the cached one when it is older than the subscription by more than clocks may differ.
CLOCKS_DIFFER_MS = 2_000


class Refusal(StrEnum):
    PRICE = "price"
    CLOSED = "closed"
    CACHED = "cached"
    REPEAT = "repeat"
    JUMP = "jump"


IsOpen = Callable[[int, int], bool]

# Price, time of the trade, volume and, where there is no trade, time of sending.
Identity = tuple[int, int, int, int]

# Most packets become one tick or none.
NONE: tuple[Tick, ...] = ()


class _LastSeen:
    """Prices are in the units of the instrument's segment, as in the rows."""

    __slots__ = ("held", "held_e4", "held_identity", "held_ms", "high", "identity", "last", "low", "subscribed_ms")

    def __init__(self) -> None:
        # When it was subscribed, until the first packet with a time after that; 0 afterwards.
        self.subscribed_ms = 0
        # Of the last admitted packet: the price, and what makes the next one a repeat.
        self.last = 0
        self.identity: Identity | None = None
        self.high = 0
        self.low = 0
        # A print beyond the guard that waits for a second one; 0 for none.
        self.held = 0
        self.held_e4 = 0
        self.held_ms = 0
        self.held_identity: Identity | None = None


class Admission:
    """`guard_percent`: how far one print may lie from the last; `is_open(token, time_ms)`: the session's say."""

    def __init__(self, guard_percent: int, is_open: IsOpen) -> None:
        self.refused: Counter[Refusal] = Counter()
        self._guard_percent = guard_percent
        self._is_open = is_open
        self._instruments: dict[int, _LastSeen] = {}

    def note_subscribed(self, token: int, now_ms: int) -> None:
        """Kite answers a subscription with the last packet it has, however old."""
        self._instruments.setdefault(token, _LastSeen()).subscribed_ms = now_ms

    def admit(self, row: Row, received_ms: int) -> Sequence[Tick]:
        """The packet's ticks in order, mostly one; none when it is refused, which `refused` counts.

        A tick's time is the exchange's; packets that carry none (`ltp` and `quote` mode) get the time they were received.
        """
        token, last, volume, _, high, low, close, traded_s, sent_s = row
        known = self._instruments.get(token)
        if known is None:
            known = self._instruments[token] = _LastSeen()
        last_e4 = price_e4(token, last)
        if not 0 < last_e4 <= PRICE_MAX_E4:
            return self._refuse(Refusal.PRICE)
        time_ms = (sent_s or traded_s) * 1_000
        is_timeless = not time_ms
        if is_timeless:
            time_ms = received_ms
        subscribed_ms = known.subscribed_ms
        # Kite answers twice: at once in `quote` mode, whose packets do not say how old they are, and again in `full` mode.
        if subscribed_ms and not is_timeless:
            known.subscribed_ms = 0
        if not self._is_open(token, time_ms):
            return self._refuse(Refusal.CLOSED)
        if subscribed_ms and (is_timeless or time_ms < subscribed_ms - CLOCKS_DIFFER_MS):
            if known.identity is None:
                known.high, known.low = high, low
            return self._refuse(Refusal.CACHED)
        # The same price without a new trade. Indices have no trades, only a time of sending.
        identity = (last, traded_s, volume, 0 if traded_s else sent_s)
        if identity in (known.identity, known.held_identity):
            return self._refuse(Refusal.REPEAT)
        before = known.last or close
        if before and abs(last - before) * 100 > before * self._guard_percent:
            if not (known.held and self._is_near(last, known.held)):
                known.held, known.held_e4, known.held_ms, known.held_identity = last, last_e4, time_ms, identity
                return self._refuse(Refusal.JUMP)
        else:
            known.held, known.held_identity = 0, None
        known.identity, known.last = identity, last
        tick = Tick(token, last_e4, time_ms)
        if high == known.high and low == known.low and not known.held:
            return (tick,)
        return self._with_extremes(known, row, tick)

    def _refuse(self, refusal: Refusal) -> Sequence[Tick]:
        self.refused[refusal] += 1
        return NONE

    def _is_near(self, price: int, other: int) -> bool:
        return abs(price - other) * 100 <= other * self._guard_percent

    def _with_extremes(self, known: _LastSeen, row: Row, print_: Tick) -> Sequence[Tick]:
        """The day's high and low where they moved beyond every print seen, the print that waited, and the newest.

        A range that shrank is a new day's.
        """
        token, last, _, _, high, low, *_ = row
        ticks: list[Tick] = []
        if high and low:
            is_same_day = 0 < known.low >= low and high >= known.high
            if is_same_day and not known.held:
                if high > max(known.high, last) and self._is_near(high, last):
                    ticks.append(Tick(token, price_e4(token, high), print_.time_ms, "day_high"))
                if low < min(known.low, last) and self._is_near(low, last):
                    ticks.append(Tick(token, price_e4(token, low), print_.time_ms, "day_low"))
            known.high, known.low = high, low
        if known.held:
            ticks.append(Tick(token, known.held_e4, known.held_ms))
            known.held, known.held_identity = 0, None
        ticks.append(print_)
        return ticks
