"""What is changed of many rules at once: only what was chosen, each rule's own rest stays. Pure."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dashboard import texts
from stormalert.access.security import new_id
from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Repeat, Rule, RuleState
from stormalert.rules.condition import made
from stormalert.rules.kinds import KINDS


class Change(NamedTuple):
    """A field that is None stays as it is; `is_usual_pause`: the pause that the rule has when nobody chose one."""

    percent_e2: int | None = None
    window_ms: int | None = None
    direction: Direction | None = None
    repeat: Repeat | None = None
    cooldown_ms: int | None = None
    is_usual_pause: bool = False

    @property
    def is_nothing(self) -> bool:
        return self == Change()


class Changed(NamedTuple):
    """`misfits`: in a sentence each, the rules that the change does not fit."""

    rules: list[Rule]
    misfits: list[str]


def changed(rule: Rule, change: Change) -> Rule:
    """Paused rules stay paused, and those that fired stay done. Raises InputError."""
    fields: dict[str, Any] = {
        name: value for name, value in change._asdict().items() if value is not None and name != "is_usual_pause"
    }
    if change.is_usual_pause or (change.cooldown_ms is None and _has_usual_pause(rule)):
        # The usual one follows the window.
        fields["cooldown_ms"] = None
    return made(rule.model_dump() | fields)


def change_all(rules: Iterable[Rule], change: Change) -> Changed:
    """Those that it would not change at all are left out."""
    made: list[Rule] = []
    misfits: list[str] = []
    for rule in rules:
        try:
            after = changed(rule, change)
        except InputError as error:
            misfits.append(f"{rule.symbol}, {texts.condition(rule)}: {error}.")
        else:
            made += [after] if after != rule else []
    return Changed(made, misfits)


def in_state(state: RuleState, only_from: RuleState | None = None) -> Callable[[Rule], Rule | None]:
    """What makes a rule paused, active or deleted; None for one that is not as it must be before."""

    def moved(rule: Rule) -> Rule | None:
        return rule.model_copy(update={"state": state}) if only_from in (None, rule.state) else None

    return moved


def copies(rules: Sequence[Rule], onto: Sequence[Instrument], *, is_paused: bool) -> list[Rule]:
    """New rules with the same condition on each of the instruments, or where they are when there are none."""
    state = RuleState.PAUSED if is_paused else RuleState.ACTIVE
    fresh = {"state": state, "revision": 0, "updated_ms": 0, "armed_at_ms": 0}
    return [
        rule.model_copy(update=fresh | place | {"id": new_id()})
        for rule in rules
        for place in ([{"token": each.token, "symbol": each.symbol} for each in onto] or [{}])
    ]


def _has_usual_pause(rule: Rule) -> bool:
    return rule.cooldown_ms == KINDS[rule.kind].usual_cooldown_ms(rule.window_ms)
