"""Against the peak or trough since the rule was armed."""

from stormalert.rules.kinds.description import Description, Direction, Index
from stormalert.rules.kinds.fields import PERCENT

TRAILING = Description(
    word="trailing",
    fields=(PERCENT,),
    index=Index.TRAILING,
    example="3%",
    name="Turn from the extreme",
    short="a turn from the peak or trough",
    meaning="turned from its peak or trough",
    measured="a turn from the peak or trough since the rule was armed",
    ways={
        Direction.DOWN: "Falls from its peak",
        Direction.UP: "Rises from its trough",
        Direction.BOTH: "Either way",
    },
    waits={
        Direction.UP: "Rises {percent} from its trough",
        Direction.DOWN: "Falls {percent} from its peak",
        Direction.BOTH: "Turns {percent} from its extreme",
    },
    happened={Direction.UP: "Rose {percent} from its trough", Direction.DOWN: "Fell {percent} from its peak"},
    reference={Direction.UP: "Trough since armed", Direction.DOWN: "Peak since armed"},
    message="from its {extreme} {reference} · {time} IST",
)
