"""The state of the feed, in words that the status page shows, and when to call it stale."""

import logging
import time
from enum import StrEnum

from stormalert.units import now_ms

log = logging.getLogger(__name__)

# Kite sends a heartbeat at least every couple of seconds, so that a socket without any frame is mute.
MUTE_AFTER_S = 5.0


class FeedState(StrEnum):
    STARTING = "starting"
    LOGIN_NEEDED = "login_needed"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    STALE = "stale"


class Feed:
    """Logs each change of state once."""

    def __init__(self) -> None:
        self.state = FeedState.STARTING
        self.reason = ""
        self.since_ms = now_ms()
        self.frame_ms = 0

    def turn(self, state: FeedState, reason: str = "") -> None:
        if state is self.state:
            return
        level = logging.WARNING if state in (FeedState.LOGIN_NEEDED, FeedState.STALE) else logging.INFO
        log.log(level, f"feed {state.replace('_', ' ')}", extra={"reason": reason} if reason else None)
        self.state, self.reason, self.since_ms = state, reason, now_ms()

    def note_frame(self) -> None:
        self.frame_ms = now_ms()
        if self.state is not FeedState.STREAMING:
            self.turn(FeedState.STREAMING)


class Watchdog:
    """KiteTicker sends no pings, so that a mute socket looks alive to it. One of these watches one socket."""

    def __init__(self) -> None:
        self._frame_s = time.monotonic()

    def note_frame(self) -> None:
        self._frame_s = time.monotonic()

    @property
    def is_mute(self) -> bool:
        return time.monotonic() - self._frame_s > MUTE_AFTER_S
