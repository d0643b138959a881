"""The rules that something is to be done with: those marked on the page, or all that match what is looked for.

All that match may be many thousands: they are read and changed batch by batch, each batch as a whole.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from stormalert.batches import batched
from stormalert.errors import Conflict
from stormalert.model import Rule, RuleFilter, RuleState
from stormalert.notify import preferences
from stormalert.store import Store

BATCH = 500

# Of how many so far.
Progress = Callable[[int], object]


class Chosen(NamedTuple):
    """`rules`: those marked, as they were drawn; `only`: what all of them match, when all are meant."""

    user: str
    rules: list[Rule]
    size: int
    only: RuleFilter | None = None

    def batches(self, store: Store) -> Iterator[list[Rule]]:
        """As they are now, and only their owner's: what was drawn may be old."""
        if self.only is None:
            for drawn in batched(self.rules, BATCH):
                found = {rule.id: rule for rule in store.rules([it.id for it in drawn])}
                now = (found.get(it.id) for it in drawn)
                yield [it for it in now if it and it.user == self.user and it.state is not RuleState.DELETED]
            return
        # Newest change first: what is changed on the way goes to the front, behind us.
        after = None
        while page := store.rules_of(self.user, after, BATCH, self.only):
            yield page
            after = (page[-1].updated_ms, page[-1].id)

    def all(self, store: Store) -> list[Rule]:
        return [rule for batch in self.batches(store) for rule in batch]


def change(store: Store, chosen: Chosen, make: Callable[[Rule], Rule | None], progress: Progress) -> tuple[int, int]:
    """Saves what `make` makes of each, where it makes something.

    Returns how many were saved, and how many somebody else changed first.
    """
    saved = missed = seen = 0
    for batch in chosen.batches(store):
        made = [after for rule in batch if (after := make(rule))]
        lost = save(store, made)
        saved, missed, seen = saved + len(made) - lost, missed + lost, seen + len(batch)
        progress(seen)
    return saved, missed + (chosen.size - seen if chosen.only is None else 0)


def save(store: Store, rules: list[Rule]) -> int:
    """Returns how many somebody else changed first; they are left alone, and the others are saved."""
    # Lists show the newest change first: so they keep their order.
    saved = rules[::-1]
    try:
        store.save_rules(saved)
    except Conflict:
        saved = [rule for rule in saved if _is_saved(store, rule)]
    preferences.forget_deleted(store, saved)
    return len(rules) - len(saved)


def _is_saved(store: Store, rule: Rule) -> bool:
    try:
        store.save_rule(rule)
    except Conflict:
        return False
    return True
