"""The exceptions StormAlert raises.

* StormError: base of all; its text is one sentence for a person, without a secret in it.
    * SettingsError: settings that are missing or malformed; names every problem at once.
    * InputError: a rule, row or form that is not acceptable; says what was found and what was expected.
        * Unfit: one value that is not; `expected` alone is for places that show what was found themselves.
    * StoreError: the store does not answer, or refuses; it may be well again at any moment.
    * Conflict: somebody else changed the record first (compare-and-set failed).
    * ScriptError: a Lua script's header and its call disagree.
    * LoginNeeded: Kite's access token is missing or dead.
    * DeliveryError
        * Retryable: the channel may accept the same message later.
            * Moved: it will, at another address.
        * Permanent: the channel will never accept it.
"""

from collections.abc import Sequence


class StormError(Exception):
    """Base of every error that StormAlert raises on purpose."""


class SettingsError(StormError):
    """Settings that cannot be used."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("settings: " + "; ".join(problems))
        self.problems = tuple(problems)


class InputError(StormError):
    """Input from outside that was refused."""


class Unfit(InputError):
    """One value that was refused; `expected` is the part of the sentence that says what would have been taken."""

    def __init__(self, text: str, expected: str) -> None:
        super().__init__(text)
        self.expected = expected

    @classmethod
    def of(cls, noun: str, expected: str, found: str) -> "Unfit":
        return cls(f"{noun} must be {expected}, was {found!r}", expected)


class StoreError(StormError):
    """A store that cannot be reached or used now; whoever waits may find it well again.

    `headline` is what is wrong, for people who need not know where it lies.
    """

    def __init__(self, text: str, headline: str = "The store does not answer") -> None:
        super().__init__(text)
        self.headline = headline


class Conflict(StormError):
    """A record that changed since it was read."""


class ScriptError(StormError):
    """A call that does not fit a Lua script's header."""


class LoginNeeded(StormError):
    """Kite's access token is missing, expired or revoked; only a person can renew it."""


class DeliveryError(StormError):
    """A delivery that did not go out; `reason` is the word that history and metrics show."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Retryable(DeliveryError):
    """May succeed later: after `after_s` seconds when the provider said so, else by back-off; `most_tries`: not more
    often than that in all, where it is not 0.
    """

    def __init__(self, reason: str, detail: str = "", after_s: float | None = None, most_tries: int = 0) -> None:
        super().__init__(reason, detail)
        self.after_s = after_s
        self.most_tries = most_tries


class Moved(Retryable):
    """The recipient has another address now; the message did not go out to the old one."""

    def __init__(self, address: str) -> None:
        super().__init__("the address moved", after_s=0)
        self.address = address


class Permanent(DeliveryError):
    """Will not succeed by repeating; `is_address_dead` switches the channel off, `needs_admin` raises an alarm."""

    def __init__(self, reason: str, detail: str = "", *, is_address_dead: bool = False, needs_admin: bool = False) -> None:
        super().__init__(reason, detail)
        self.is_address_dead = is_address_dead
        self.needs_admin = needs_admin
