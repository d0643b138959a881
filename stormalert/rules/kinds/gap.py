"""The day's first price against the previous close."""

from stormalert.rules.kinds.description import Description, Direction, Index
from stormalert.rules.kinds.fields import PERCENT
from stormalert.units import HOUR_MS

GAP = Description(
    word="gap",
    fields=(PERCENT,),
    index=Index.MOVES,
    # As a day rule's.
    cooldown_ms=8 * HOUR_MS,
    needs_close=True,
    example="2%",
    name="Gap at the open",
    short="the day's first price against the previous close",
    meaning="opened that far from the previous close",
    measured="a gap is the day's first price against the previous close",
    ways={Direction.DOWN: "Opens lower", Direction.UP: "Opens higher", Direction.BOTH: "Either way"},
    waits={
        Direction.UP: "Opens {percent} above the previous close",
        Direction.DOWN: "Opens {percent} below the previous close",
        Direction.BOTH: "Opens {percent} from the previous close",
    },
    happened={
        Direction.UP: "Opened {percent} above the previous close",
        Direction.DOWN: "Opened {percent} below the previous close",
    },
    reference=dict.fromkeys((Direction.UP, Direction.DOWN), "Previous close"),
    message="opened, from the previous close {reference} · {time} IST",
)
