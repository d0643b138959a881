"""The state of the feed, in words that the status page shows: one login, up to three sockets, and what else is wrong."""

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum

from ingest.gaps import Gap
from stormalert.units import SECOND_MS, now_ms

log = logging.getLogger(__name__)

OnGap = Callable[[Gap], None]

# Kite sends a heartbeat at least every couple of seconds, so that a socket without any frame is mute.
MUTE_AFTER_S = 5.0


def uptime() -> float:
    """Seconds, those included in which the machine slept; no step of the wall clock changes it."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class FeedState(StrEnum):
    STARTING = "starting"
    LOGIN_NEEDED = "login_needed"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    STALE = "stale"


class Feed:
    """The worst of login and sockets; logs each change of state once.

    `troubles` are sentences of what is wrong beside it, by subject: prices still come.
    """

    def __init__(self) -> None:
        self.state = FeedState.STARTING
        self.reason = ""
        self.since_ms = now_ms()
        self.links: list[Link] = []
        self.troubles: dict[str, str] = {}
        # Set whenever there is something new to show.
        self.changed = asyncio.Event()
        self._login_reason = ""

    @property
    def frame_ms(self) -> int:
        return max((link.frame_ms for link in self.links), default=0)

    def need_login(self, reason: str) -> None:
        """Sockets that are open may stream on: Kite looks at the token only when one connects."""
        self._login_reason = reason
        self.settle()

    def note_login(self) -> None:
        self._login_reason = ""
        self.settle()

    def note_trouble(self, subject: str, sentence: str) -> None:
        """An empty sentence: all is well again."""
        if sentence == self.troubles.get(subject, ""):
            return
        self.changed.set()
        if sentence:
            log.error(sentence)
            self.troubles[subject] = sentence
        else:
            log.info("over: %s", self.troubles.pop(subject))

    def settle(self) -> None:
        state, reason = self._worst()
        if (state, reason) != (self.state, self.reason):
            self.changed.set()
        if state is not self.state:
            level = logging.WARNING if state in (FeedState.LOGIN_NEEDED, FeedState.STALE) else logging.INFO
            log.log(level, f"feed {state.replace('_', ' ')}", extra={"reason": reason} if reason else None)
            self.since_ms = now_ms()
        self.state, self.reason = state, reason

    def _worst(self) -> tuple[FeedState, str]:
        if self._login_reason:
            return FeedState.LOGIN_NEEDED, self._login_reason
        for state in (FeedState.STALE, FeedState.CONNECTING):
            for place, link in enumerate(self.links, 1):
                if link.state is state:
                    which = f"socket {place} of {len(self.links)}: " if link.reason and len(self.links) > 1 else ""
                    return state, f"{which}{link.reason}"
        return (FeedState.STREAMING if self.links else FeedState.STARTING), ""


class Link:
    """How one socket does, and from when to when it brought nothing."""

    def __init__(self, feed: Feed, on_gap: OnGap) -> None:
        self.state = FeedState.CONNECTING
        self.reason = ""
        self.frame_ms = 0
        self._frame_uptime_s = 0.0
        self.instruments = 0
        self._feed = feed
        self._on_gap = on_gap
        # The last frame before what is lost now, and why; 0 while nothing is.
        self._lost_ms = 0
        self._lost_reason = ""
        feed.links.append(self)
        feed.settle()

    def note_frame(self) -> None:
        """Any frame, heartbeats too."""
        arrived_ms, uptime_s = now_ms(), uptime()
        if self.state is not FeedState.STREAMING:
            self._mark_gap(arrived_ms)
            self.state, self.reason = FeedState.STREAMING, ""
            self._feed.settle()
        elif uptime_s - self._frame_uptime_s > MUTE_AFTER_S:
            # Nobody was awake to find the socket mute.
            self._lost_ms = arrived_ms - round((uptime_s - self._frame_uptime_s) * SECOND_MS)
            self._lost_reason = "this machine or ingest stood still"
            self._mark_gap(arrived_ms)
        self.frame_ms, self._frame_uptime_s = arrived_ms, uptime_s

    def note_lost(self, reason: str) -> None:
        """The connection ended, or could not be made; a mute socket stays stale until a frame comes."""
        self._lose(reason)
        if self.state is FeedState.STREAMING:
            self.state = FeedState.CONNECTING
        if self.state is FeedState.CONNECTING:
            self.reason = reason
        self._feed.settle()

    def note_mute(self, reason: str) -> None:
        if self.state is FeedState.STREAMING:
            self._lose(reason)
            # Marked as far as it is known: nobody can say when frames come again.
            found_ms = now_ms()
            self._mark_gap(found_ms)
            self._lost_ms = found_ms
        self.state, self.reason = FeedState.STALE, reason
        self._feed.settle()

    def resume(self, frame_ms: int, reason: str) -> None:
        """What an earlier process left off at."""
        self._lost_ms, self._lost_reason = frame_ms, reason

    def close(self) -> None:
        self._feed.links.remove(self)
        # The last one ends with the process.
        if self._feed.links:
            self._feed.settle()

    def _lose(self, reason: str) -> None:
        if self.state is FeedState.STREAMING:
            self._lost_ms, self._lost_reason = self.frame_ms, reason

    def _mark_gap(self, to_ms: int) -> None:
        if self._lost_ms and self.instruments:
            which = f", {self.instruments} instruments of one socket" if len(self._feed.links) > 1 else ""
            self._on_gap(Gap(self._lost_ms, to_ms, f"{self._lost_reason}{which}", 0))
        self._lost_ms = 0
