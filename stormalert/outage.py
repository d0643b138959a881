"""Tells the edges of a trouble, and not every try in between."""

import logging
import time

log = logging.getLogger("stormalert")


class Outage:
    """Of one thing that is asked again and again; `about` goes with each word, such as the stream that is read."""

    def __init__(self, what: str, **about: str | int) -> None:
        self._what, self._about = what, about
        self._since_s: float | None = None
        self._reason = ""

    @property
    def is_on(self) -> bool:
        return self._since_s is not None

    def begin(self, reason: str, **facts: str | int) -> None:
        """Tells the first try that failed, and one that fails for another reason."""
        if reason != self._reason:
            log.warning(f"{self._what} lost", extra=self._about | {"reason": reason} | facts)
            self._reason = reason
        if self._since_s is None:
            self._since_s = time.monotonic()

    def end(self, **facts: str | int) -> None:
        if self._since_s is not None:
            log.info(f"{self._what} back", extra=self._about | {"after_s": round(time.monotonic() - self._since_s)} | facts)
        self._since_s, self._reason = None, ""
