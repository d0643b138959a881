"""A price that is reached or crossed."""

from stormalert.rules.kinds.description import Description, Direction, Index
from stormalert.rules.kinds.fields import PRICE

LEVEL = Description(
    word="level",
    fields=(PRICE,),
    index=Index.LEVEL,
    can_be_on_watchlist=False,
    example="1500",
    name="Price level",
    short="a price",
    meaning="reached or crossed a price",
    measured="a level is a price that is reached or crossed",
    ways={Direction.DOWN: "Falls to it", Direction.UP: "Rises to it", Direction.BOTH: "Either way"},
    waits={Direction.UP: "Rises to {price}", Direction.DOWN: "Falls to {price}", Direction.BOTH: "Moves to {price}"},
    happened={Direction.UP: "Rose to {reference}", Direction.DOWN: "Fell to {reference}"},
    reference=dict.fromkeys((Direction.UP, Direction.DOWN), "Level"),
    message="from the level {reference} · {time} IST",
)
