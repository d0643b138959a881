"""Forgets what is older than the policy keeps: alerts with their deliveries, the audit log, sign-ins that are over."""

import logging

from stormalert.config import policy
from stormalert.config.settings import Settings
from stormalert.store import Store
from stormalert.units import DAY_MS, now_ms

log = logging.getLogger("stormalert")

FORGET_EVERY_S = 3_600.0


class Retention:
    def __init__(self, store: Store, config: Settings) -> None:
        self._store = store
        # The times of a recorded market are the recording's own: they say nothing about how long ago it was played.
        self._is_on = config.market_hours == "exchange"

    def forget(self) -> int:
        """How many records are gone. Raises StormError."""
        if not self._is_on:
            return 0
        kept, now = policy.read(self._store), now_ms()
        before_ms, audit_before_ms = now - kept.keep_days * DAY_MS, now - kept.keep_audit_days * DAY_MS
        count = 0
        # Some at a time, so that others who write wait for a moment only.
        while some := self._store.forget(before_ms, audit_before_ms):
            count += some
        if count:
            log.info("old records forgotten", extra={"count": count})
        return count
