"""The buttons under an alert, and what a press of one says.

A press carries the alert's instrument and a digest of its rule, not the id: Telegram takes 64 bytes, and an id may be longer.
Whose rule it is, the store says, when it is looked up among the rules of the user whose chat it was pressed in.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import quote

from stormalert.access.security import digest_id
from stormalert.model import Rule
from stormalert.store import Store

_CHARTS = "https://kite.zerodha.com/markets/ext/chart/web/tvc"
# The last byte of Kite's tokens is the segment; indices have one of their own, and their charts too.
_INDICES = 9
_PAGE = 200
_DATA = re.compile(r"([a-z]+):([0-9]{1,10}):([a-z2-7]{16})")


class Verb(StrEnum):
    SNOOZE = "snooze"
    UNMUTE = "unmute"
    PAUSE = "pause"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Button:
    """Either sends `data` back to the bot or opens `url`."""

    text: str
    data: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Press:
    verb: Verb
    token: int
    digest: str

    @classmethod
    def of(cls, verb: Verb, token: int, rule: str) -> Self:
        """`rule` as it stands in the alert: of a watchlist's rule the part on the instrument."""
        return cls(verb, token, digest_id(rule))

    @classmethod
    def read(cls, data: str) -> Self | None:
        """None when it is none of ours."""
        match = _DATA.fullmatch(data)
        return cls(Verb(match[1]), int(match[2]), match[3]) if match and match[1] in tuple(Verb) else None

    @property
    def data(self) -> str:
        return f"{self.verb}:{self.token}:{self.digest}"

    def with_verb(self, verb: Verb) -> "Press":
        return Press(verb, self.token, self.digest)

    def is_about(self, rule: Rule) -> bool:
        return digest_id(f"{rule.id}_{self.token}" if rule.is_on_watchlist else rule.id) == self.digest


def under(
    press: Press, symbol: str, *, is_muted: bool = False, is_paused: bool = False, is_private: bool = True
) -> list[Button]:
    """In a group anybody could press, so there only the chart is offered."""
    chart = Button("Chart", url=chart_url(symbol, press.token))
    if not is_private:
        return [chart]
    return [
        Button("Unmute" if is_muted else "Snooze 1 h", press.with_verb(Verb.UNMUTE if is_muted else Verb.SNOOZE).data),
        Button("Resume rule" if is_paused else "Pause rule", press.with_verb(Verb.RESUME if is_paused else Verb.PAUSE).data),
        chart,
    ]


def find_rule(store: Store, user: str, press: Press) -> Rule | None:
    """Among the user's own."""
    page = store.rules_of(user, limit=_PAGE)
    while page:
        if found := next((rule for rule in page if press.is_about(rule)), None):
            return found
        page = store.rules_of(user, (page[-1].updated_ms, page[-1].id), _PAGE)
    return None


def chart_url(symbol: str, token: int) -> str:
    exchange, _, name = symbol.partition(":")
    place = "INDICES" if token & 0xFF == _INDICES else exchange
    return f"{_CHARTS}/{quote(place, safe='')}/{quote(name, safe='')}/{token}"
