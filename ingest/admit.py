"""Which packets become ticks. Pure: the same packets always give the same ticks.

In this order: a price above 0; the instrument's continuous session is open; not the cached tick that every subscription
replays; not a repeat; a jump beyond the guard waits for a second print. A day high or low that moved although no print showed
it becomes a tick of its own.
"""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from ingest.decode import Packet
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


class _Instrument:
    __slots__ = ("held", "high_e4", "last", "low_e4", "subscribed_ms", "time_ms")

    def __init__(self) -> None:
        # When it was subscribed, until the first packet with a time after that; 0 afterwards.
        self.subscribed_ms = 0
        # Price, trade time, volume and, where there is no trade time, sending time of the last admitted packet.
        self.last: tuple[int, int, int, int] | None = None
        self.time_ms = 0
        self.high_e4 = 0
        self.low_e4 = 0
        # A print beyond the guard that waits for a second one.
        self.held: Tick | None = None


class Admission:
    """`guard_percent`: how far one print may lie from the last; `is_open(token, time_ms)`: the session's say."""

    def __init__(self, guard_percent: int, is_open: IsOpen) -> None:
        self.refused: Counter[Refusal] = Counter()
        self._guard_percent = guard_percent
        self._is_open = is_open
        self._instruments: dict[int, _Instrument] = {}

    def note_subscribed(self, token: int, now_ms: int) -> None:
        """Kite answers a subscription with the last packet it has, however old."""
        self._instruments.setdefault(token, _Instrument()).subscribed_ms = now_ms

    def admit(self, packet: Packet, received_ms: int) -> list[Tick]:
        """The packet's ticks in order, mostly one; none when it is refused, which `refused` counts.

        A tick's time is the exchange's; packets that carry none (`ltp` and `quote` mode) get the time they were received.
        """
        known = self._instruments.get(packet.token)
        if known is None:
            known = self._instruments[packet.token] = _Instrument()
        time_ms = packet.time_ms or packet.trade_ms or received_ms
        refusal = self._refusal(packet, known, time_ms)
        if refusal:
            self.refused[refusal] += 1
            return []
        known.last = _identity(packet)
        known.time_ms = time_ms
        ticks = self._unseen_extremes(packet, known, time_ms)
        print_ = Tick(packet.token, packet.last_e4, time_ms)
        if known.held:
            ticks.append(known.held)
            known.held = None
        ticks.append(print_)
        return ticks

    def _refusal(self, packet: Packet, known: _Instrument, time_ms: int) -> Refusal | None:
        if not 0 < packet.last_e4 <= PRICE_MAX_E4:
            return Refusal.PRICE
        subscribed_ms = known.subscribed_ms
        # Kite answers twice: at once in `quote` mode, whose packets do not say how old they are, and again in `full` mode.
        is_timeless = not (packet.time_ms or packet.trade_ms)
        if not is_timeless:
            known.subscribed_ms = 0
        if not self._is_open(packet.token, time_ms):
            return Refusal.CLOSED
        if subscribed_ms and (is_timeless or time_ms < subscribed_ms - CLOCKS_DIFFER_MS):
            if known.last is None:
                known.high_e4, known.low_e4 = packet.high_e4, packet.low_e4
            return Refusal.CACHED
        if known.last == _identity(packet):
            return Refusal.REPEAT
        if self._is_jump(packet, known, time_ms):
            return Refusal.JUMP
        return None

    def _is_jump(self, packet: Packet, known: _Instrument, time_ms: int) -> bool:
        """True when the print must wait; a second print near the one that waits confirms it."""
        before_e4 = known.last[0] if known.last else packet.close_e4
        if not before_e4 or self._is_near(packet.last_e4, before_e4):
            known.held = None
            return False
        if known.held and self._is_near(packet.last_e4, known.held.price_e4):
            return False
        known.held = Tick(packet.token, packet.last_e4, time_ms)
        return True

    def _is_near(self, price_e4: int, other_e4: int) -> bool:
        return abs(price_e4 - other_e4) * 100 <= other_e4 * self._guard_percent

    def _unseen_extremes(self, packet: Packet, known: _Instrument, time_ms: int) -> list[Tick]:
        """The day's high and low where they moved beyond every print seen. A range that shrank is a new day's."""
        ticks: list[Tick] = []
        last_e4, high_e4, low_e4 = packet.last_e4, packet.high_e4, packet.low_e4
        if not high_e4 or not low_e4:
            return ticks
        is_same_day = known.low_e4 > 0 and low_e4 <= known.low_e4 and high_e4 >= known.high_e4
        if is_same_day and not known.held:
            if high_e4 > max(known.high_e4, last_e4) and self._is_near(high_e4, last_e4):
                ticks.append(Tick(packet.token, high_e4, time_ms, "day_high"))
            if low_e4 < min(known.low_e4, last_e4) and self._is_near(low_e4, last_e4):
                ticks.append(Tick(packet.token, low_e4, time_ms, "day_low"))
        known.high_e4, known.low_e4 = high_e4, low_e4
        return ticks


def _identity(packet: Packet) -> tuple[int, int, int, int]:
    """What makes a packet a repeat: the same price without a new trade. Indices have no trades, only a time of sending."""
    return packet.last_e4, packet.trade_ms, packet.volume, 0 if packet.trade_ms else packet.time_ms
