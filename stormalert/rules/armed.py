"""What the engine says of a rule: the hash `rule:<rule>`, kept terse by lua/lib/rules.lua because there may be millions."""

from collections.abc import Mapping
from typing import NamedTuple


class ArmedRule(NamedTuple):
    """`state`: pending, armed, cooling, spent or paused; `text`: the rule in words; `revision`: the store's that was armed."""

    state: str
    epoch: int
    text: str
    revision: int


def read_armed(fields: Mapping[str, str]) -> ArmedRule | None:
    """None when the engine does not know the rule."""
    states = [name for name in fields if name != "rule"]
    if not states:
        return None
    text, _, revision = fields["rule"].rpartition(" ")
    return ArmedRule(states[0], int(fields[states[0]]), text, int(revision))
