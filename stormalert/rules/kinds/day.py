"""Against the previous close."""

from stormalert.rules.kinds.description import WAYS, Description, Direction, Index
from stormalert.rules.kinds.fields import PERCENT
from stormalert.units import HOUR_MS

DAY = Description(
    word="day",
    fields=(PERCENT,),
    index=Index.MOVES,
    # Longer than a session, so that it fires once a day.
    cooldown_ms=8 * HOUR_MS,
    needs_close=True,
    example="4%",
    name="Change on the day",
    short="against the previous close",
    meaning="from the previous close",
    measured="a change on the day from the previous close",
    ways=WAYS,
    waits={
        Direction.UP: "Rises {percent} from the previous close",
        Direction.DOWN: "Falls {percent} from the previous close",
        Direction.BOTH: "Moves {percent} from the previous close",
    },
    happened={
        Direction.UP: "Rose {percent} from the previous close",
        Direction.DOWN: "Fell {percent} from the previous close",
    },
    reference=dict.fromkeys((Direction.UP, Direction.DOWN), "Previous close"),
    message="from the previous close {reference} · {time} IST",
)
