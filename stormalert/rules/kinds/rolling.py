"""Against the lowest or highest price of a window."""

from stormalert.rules.kinds.description import WAYS, Description, Direction, Index
from stormalert.rules.kinds.fields import PERCENT, WINDOW

ROLLING = Description(
    word="rolling",
    fields=(PERCENT, WINDOW),
    index=Index.MOVES,
    cooldown_ms=None,
    example="2% 5m",
    name="Move within a time",
    short="a move within a time",
    meaning="moved within the last 5 minutes",
    measured="a move is measured from the lowest or highest price of the time",
    ways=WAYS,
    waits={
        Direction.UP: "Rises {percent} within {window}",
        Direction.DOWN: "Falls {percent} within {window}",
        Direction.BOTH: "Moves {percent} within {window}",
    },
    happened={Direction.UP: "Rose {percent} within {window}", Direction.DOWN: "Fell {percent} within {window}"},
    reference={Direction.UP: "Low of {window}", Direction.DOWN: "High of {window}"},
    message="from {reference} in {window} · {time} IST",
)
