"""What a description of a kind says; every door, screen and message asks it, and nobody else knows one kind from another."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stormalert.rules.kinds.fields import PERCENT, PRICE, WINDOW, Field
from stormalert.units import MINUTE_MS


class Direction(StrEnum):
    UP = "up"
    DOWN = "down"
    BOTH = "both"


class Index(StrEnum):
    """Where the engine keeps the armed rules of a kind: the name of a file of lua/lib/.

    MOVES: by percent, from a reference that they share; TRAILING: by percent, in cohorts that share their extreme; LEVEL: by
    price.
    """

    MOVES = "moves"
    TRAILING = "trailing"
    LEVEL = "level"


# How a screen names the directions of a move.
WAYS = {Direction.DOWN: "Falls", Direction.UP: "Rises", Direction.BOTH: "Either way"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A kind of rule. In its texts {percent}, {price}, {window} and {reference} stand for the rule's or the alert's own."""

    # As it is typed and stored.
    word: str
    # The first is the amount that the engine compares with.
    fields: tuple[Field, ...]
    index: Index
    # The pause after an alert when nobody chose one; None: as long as the window.
    cooldown_ms: int | None = MINUTE_MS
    can_be_on_watchlist: bool = True
    # Measured from the previous close: a replay tells it to the engine.
    needs_close: bool = False
    # A condition as it is typed, behind the kind.
    example: str

    # As screens call it.
    name: str
    # A few words behind its name: "a turn from the peak or trough".
    short: str
    # A sentence behind its example: "turned from its peak or trough".
    meaning: str
    # Half a sentence: what it is measured from.
    measured: str
    ways: Mapping[Direction, str]
    # What the rule waits for, and what happened when it fired.
    waits: Mapping[Direction, str]
    happened: Mapping[Direction, str]
    # Of a line in a chart, and beside a price.
    reference: Mapping[Direction, str]
    # The usual message behind its headline, with the placeholders of stormalert/notify/templates.py.
    message: str

    @property
    def amount(self) -> Field:
        return self.fields[0]

    @property
    def is_at_price(self) -> bool:
        """Whether it fires at a price that its owner gave, which then is the alert's reference."""
        return PRICE in self.fields

    @property
    def has_percent(self) -> bool:
        return PERCENT in self.fields

    @property
    def has_window(self) -> bool:
        return WINDOW in self.fields

    def usual_cooldown_ms(self, window_ms: int) -> int:
        """The pause of a rule whose owner chose none."""
        return window_ms if self.cooldown_ms is None else self.cooldown_ms
