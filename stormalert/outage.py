"""Tells the edges of a trouble, and not every try in between."""

import logging
import time

log = logging.getLogger("stormalert")


class Outage:
    """Of one thing that is asked again and again; `about` goes with each word, such as the stream that is read.

    With `each_reason` the first try that fails for another reason is told as well.
    """

    def __init__(self, what: str, *, each_reason: bool = False, **about: str | int) -> None:
        self._what, self._about, self._each_reason = what, about, each_reason
        self._since_s: float | None = None
        self._told: set[str] = set()

    @property
    def is_on(self) -> bool:
        return self._since_s is not None

    def begin(self, reason: str, **facts: str | int) -> None:
        """Tells the first try that failed."""
        if not self._told or (self._each_reason and reason not in self._told):
            log.warning(f"{self._what} lost", extra=self._about | {"reason": reason} | facts)
            self._told.add(reason)
        if self._since_s is None:
            self._since_s = time.monotonic()

    def end(self, **facts: str | int) -> None:
        if self._since_s is not None:
            log.info(f"{self._what} back", extra=self._about | {"after_s": round(time.monotonic() - self._since_s)} | facts)
        self._since_s, self._told = None, set()
