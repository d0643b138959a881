"""What the providers' rate limits are, and how often a client broke them."""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

from sandbox.faults import RateLimits

SECOND_S, MINUTE_S = 1.0, 60.0
NTFY_S = 5 * MINUTE_S


class Rates:
    """Counts every message that asks to be taken, in windows that slide: none may hold more than its limit."""

    def __init__(self, limits: RateLimits, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock_s = limits, clock_s
        self._times_s: dict[str, deque[float]] = defaultdict(deque)
        self._most: Counter[str] = Counter()
        self._violations: Counter[str] = Counter()

    def telegram(self, chat: int) -> float:
        """Count a message; the seconds to wait when it is refused, else 0. Groups have negative ids."""
        after_s = self._count("telegram_bot", "", self._limits.telegram_bot, SECOND_S)
        after_s = max(after_s, self._count("telegram_chat", str(chat), self._limits.telegram_chat, SECOND_S))
        if chat < 0:
            after_s = max(after_s, self._count("telegram_group", str(chat), self._limits.telegram_group, MINUTE_S))
        return after_s if self._limits.enforce else 0.0

    def twilio(self, sender: str, recipient: str) -> float:
        after_s = self._count("twilio_sender", sender, self._limits.twilio_sender, SECOND_S)
        after_s = max(after_s, self._count("twilio_recipient", recipient, self._limits.twilio_recipient, SECOND_S))
        return after_s if self._limits.enforce else 0.0

    def smtp(self) -> float:
        after_s = self._count("smtp", "", self._limits.smtp, SECOND_S)
        return after_s if self._limits.enforce else 0.0

    def ntfy(self) -> float:
        after_s = self._count("ntfy", "", self._limits.ntfy, NTFY_S)
        return after_s if self._limits.enforce else 0.0

    def as_json(self) -> dict[str, Any]:
        """How many messages broke each limit, and the most that one window held."""
        return {"violations": dict(self._violations), "most": dict(self._most)}

    def reset(self) -> None:
        for counts in (self._times_s, self._most, self._violations):
            counts.clear()

    def _count(self, limit: str, of: str, most: float, window_s: float) -> float:
        now_s = self._clock_s()
        times_s = self._times_s[f"{limit} {of}"]
        while times_s and times_s[0] <= now_s - window_s:
            times_s.popleft()
        times_s.append(now_s)
        self._most[limit] = max(self._most[limit], len(times_s))
        if len(times_s) <= most:
            return 0.0
        self._violations[limit] += 1
        return times_s[0] + window_s - now_s
