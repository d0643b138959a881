"""Conditions of every kind, made from the kinds' own descriptions: so a new kind is tested by being there."""

from typing import Any

from hypothesis import strategies as st

from stormalert.model import Direction, Instrument, Kind, Repeat
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import FIELDS, PERCENT
from stormalert.rules.line import WATCHLIST

BELOW_ALL_OF_IT_E2 = 100 * 100 - 1


@st.composite
def conditions(draw: st.DrawFn, instruments: list[Instrument]) -> dict[str, Any]:
    """The fields of a rule that is sound, but for its id and its user."""
    kind = draw(st.sampled_from(Kind))
    direction = draw(st.sampled_from(Direction))
    values = dict.fromkeys((field.attribute for field in FIELDS), 0)
    for field in KINDS[kind].fields:
        most = BELOW_ALL_OF_IT_E2 if field is PERCENT and direction is Direction.DOWN else field.most
        values[field.attribute] = draw(st.integers(field.least, most))
    instrument = draw(st.sampled_from(instruments))
    is_on_watchlist = KINDS[kind].can_be_on_watchlist and draw(st.booleans())
    return {
        "token": 0 if is_on_watchlist else instrument.token,
        "symbol": WATCHLIST if is_on_watchlist else instrument.symbol,
        "kind": kind,
        "direction": direction,
        "repeat": draw(st.sampled_from(Repeat)),
        **values,
    }
