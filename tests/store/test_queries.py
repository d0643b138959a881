"""What each method asks its database for, and the declared index that serves it: a new query is seen here, and reviewed."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stormalert.errors import Conflict
from stormalert.model import AlertFilter, Kind, RuleFilter, RuleState
from stormalert.store import Store
from stormalert.store.nouns import NOUNS, Noun
from stormalert.store.query import Condition, Either, Has, Named, OneOf, Where, ordered
from stormalert.store.sqlite import Sqlite
from tests.store import records
from tests.store.calls import CALLS

# Those that narrow a list, beside what every method is called with.
NARROWED: dict[str, Callable[[Store], object]] = {
    "alerts_of by token": lambda s: s.alerts_of("u", only=AlertFilter(token=1, kind=Kind.DAY)),
    "alerts_of by rule": lambda s: s.alerts_of("u", (5, "a"), only=AlertFilter(rule="r", since_ms=1, until_ms=9)),
    "alerts_of by text": lambda s: s.alerts_of("u", only=AlertFilter(text="x", has_failed=True)),
    "rules_of by text": lambda s: s.rules_of("u", (5, "r"), only=RuleFilter(text="x", state=RuleState.PAUSED)),
    "audit of a user": lambda s: s.audit((5, "e"), user="u", action="a"),
}
# Method: noun, the index or how else it is found; behind the semicolon what is looked at document by document.
EXPECTED = """
user: users, by id
user_by_name: users, by name
users: users, by name
erase_user: rules, by user symbol id; state
erase_user: rules, by updated_ms id
erase_user: alerts, by user -time_ms -id
erase_user: deliveries, by alert id
erase_user: alerts, by id
erase_user: channels, by user id
erase_user: mutes, by user id
erase_user: sessions, by user -created_ms -id
erase_user: tickets, all; user
erase_user: watchlists, by user
erase_user: users, by id
session: sessions, by id
sessions_of: sessions, by user -created_ms -id
delete_session: sessions, by id
one_time_token: tickets, by id
one_time_tokens: tickets, all, sorted
take_one_time_token: tickets, by id
save_rule: rules, by updated_ms id
save_rules: rules, by updated_ms id
rule: rules, by id
rules: rules, by id
rules_of: rules, by user -updated_ms -id; state
rules_by_symbol: rules, by user symbol id; state
count_rules: rules, by user symbol id; state
rules_changed: rules, by updated_ms id
mark_spent: rules, by id; state updated_ms
mark_spent: rules, by updated_ms id
rename_instrument: rules, all; token
channel: channels, by id
channels: channels, by id
channels_of: channels, by user id
channels_at: channels, by address id; kind
delete_channel: channels, by id
save_mute: mutes, by user id; until_ms
mutes_of: mutes, by user id; until_ms
delete_mute: mutes, by id
record_fired: deliveries, by id
alert: alerts, by id
alerts: alerts, by id
alerts_of: alerts, by user -time_ms -id
last_alert_ms: alerts, by rule -time_ms, sorted
delivery: deliveries, by id
deliveries: deliveries, by id
deliveries_of: deliveries, by alert id
unfinished_deliveries: deliveries, by state due_ms updated_ms
deliveries_in: deliveries, by summary updated_ms, sorted
instrument: instruments, by token
instrument_by_symbol: instruments, by folded_symbol token
search_instruments: instruments, by folded_symbol token
search_instruments: instruments, by folded_symbol token; folded_name
watchlist: watchlists, by user
watched_tokens: rules, all; state token
watched_tokens: watchlists, all
setting: settings, by name
settings: settings, by name
settings_like: settings, by name
delete_setting: settings, by name
audit: audit, by -time_ms -id
forget: alerts, by time_ms
forget: deliveries, by alert id
forget: alerts, by id
forget: rules, by updated_ms id; state
forget: rules, by id
forget: audit, by -time_ms -id
forget: audit, by id
forget: sessions, by expires_ms
forget: sessions, by id
forget: tickets, all, sorted; expires_ms
forget: tickets, by id
alerts_of by token: alerts, by user token -time_ms -id; kind
alerts_of by rule: alerts, by user -time_ms -id; rule
alerts_of by text: instruments, all; folded_name
alerts_of by text: deliveries, by user state -updated_ms
alerts_of by text: alerts, by user -time_ms -id; symbol token
rules_of by text: rules, by user -updated_ms -id; state symbol
audit of a user: audit, by user -time_ms -id; action
"""


class Asked(Sqlite):
    """Notes what it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lines: list[str] = []

    def find(self, noun: Any, where: Any = (), order: str = "", limit: Any = None, after: Any = None) -> Any:
        beyond = [Where(ordered(order)[0][0], "<", after[0])] if after else []
        self.note(noun, [*where, *beyond], order)
        return super().find(noun, where, order, limit, after)

    def values(self, noun: Any, field: str, where: Any, order: str = "", limit: Any = None) -> Any:
        self.note(noun, where, order)
        # Something to go on with, so that a method asks for all that it may ask.
        return super().values(noun, field, where, order, limit) or ["x"]

    def distinct(self, noun: Any, field: str, where: Any = ()) -> Any:
        self.note(noun, where, "")
        return super().distinct(noun, field, where)

    def greatest(self, noun: Any, field: str, where: Any = ()) -> Any:
        self.note(noun, where, f"-{field}")
        return super().greatest(noun, field, where)

    def count(self, noun: Any, where: Any = ()) -> Any:
        self.note(noun, where, "")
        return super().count(noun, where)

    def amend(self, noun: Any, where: Any, fields: Any, *, is_change: bool = False) -> Any:
        self.note(noun, where, "")
        return super().amend(noun, where, fields, is_change=is_change)

    def remove(self, noun: Any, where: Any) -> Any:
        self.note(noun, where, "")
        return super().remove(noun, where)

    def note(self, noun: Noun[Any], where: Sequence[Condition], order: str) -> None:
        for condition in parts(where):
            if isinstance(condition, Named | Has):
                self.note(condition.noun, condition.where, condition.order if isinstance(condition, Has) else "")
        self.lines.append(f"{noun.name}, {served(noun, where, order)}")


def parts(where: Sequence[Condition]) -> Iterator[Condition]:
    for condition in where:
        yield condition
        if isinstance(condition, Either):
            yield from (each for group in condition.groups for each in parts(group))


def served(noun: Noun[Any], where: Sequence[Condition], order: str) -> str:
    """How MongoDB finds it: by one of the noun's indexes, in the order of that index, or else."""
    fixed = {it.field for it in where if isinstance(it, OneOf | Where) and is_fixed(it)}
    ranges = {it.field for it in where if isinstance(it, Where) and it.comparison in ("<", "<=", ">", ">=")}
    wanted = [it for it in ordered(order) if it[0] not in fixed]
    indexes = (noun.key, *([noun.unique] if noun.unique else []), *noun.indexes)
    ranges |= {one for it in where if isinstance(it, Either) and len(names := fields_in(it)) == 1 for one in names}
    if best := next((index for index in (noun.key, noun.unique) if index in fixed), ""):
        narrow, is_sorted = 1, False
    else:
        narrow, is_sorted, _, best = max(
            (*worth(ordered(index), fixed, ranges, wanted), -len(index), index) for index in indexes
        )
    is_used = narrow or is_sorted
    asked = set().union(*map(fields_in, where))
    looked_at = sorted(asked - {field for field, _ in ordered(best)} if is_used else asked)
    found = f"by {best}" if is_used else "all"
    return found + (", sorted" if wanted and not is_sorted else "") + (f"; {' '.join(looked_at)}" if looked_at else "")


def fields_in(condition: Condition) -> set[str]:
    return {it.field for it in parts([condition]) if not isinstance(it, Either | Has)}


def is_fixed(condition: OneOf | Where) -> bool:
    return not condition.is_not if isinstance(condition, OneOf) else condition.comparison == "="


def worth(index: list[tuple[str, bool]], fixed: set[str], ranges: set[str], wanted: list[tuple[str, bool]]) -> tuple[int, bool]:
    """How many of its first fields narrow the search, and whether it gives the order too."""
    held = next((place for place, (field, _) in enumerate(index) if field not in fixed), len(index))
    rest = index[held : held + len(wanted)]
    is_sorted = bool(wanted) and rest in (wanted, [(field, not falls) for field, falls in wanted])
    return held + (held < len(index) and index[held][0] in ranges), is_sorted


def lines(store: Store, backend: Asked) -> Iterator[str]:
    store.save_rule(records.a_rule(user="u"))
    for name, calls in {**CALLS, **{name: (call,) for name, call in NARROWED.items()}}.items():
        backend.lines.clear()
        for call in calls:
            try:
                call(store)
            except Conflict:
                continue
        yield from dict.fromkeys(f"{name}: {line}" for line in backend.lines)


def test_every_query_is_known_with_the_index_that_serves_it(tmp_path: Path) -> None:
    backend = Asked(tmp_path / "store.sqlite3")
    store = Store(backend)
    assert "\n".join(lines(store, backend)) == EXPECTED.strip()
    store.close()


def test_every_index_serves_a_query() -> None:
    declared = {(noun.name, index) for noun in NOUNS.values() for index in noun.indexes}
    used = {(noun, index) for noun, index in declared if re.search(f": {noun}, by {index}(?![ \\w])", EXPECTED)}
    assert declared - used == set()
