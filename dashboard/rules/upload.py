"""Takes a table of rules into a user's account: all of it or nothing."""

from typing import NamedTuple

from dashboard.accounts.portable import rules_of
from stormalert.config import policy
from stormalert.model import Rule, RuleState, User
from stormalert.rules import table as rule_table
from stormalert.store import Store


class Imported(NamedTuple):
    new: int
    changed: int


def take(store: Store, user: User, table: bytes, *, is_dry_run: bool = False) -> Imported:
    """Raises BadTable with every bad cell, LimitReached, and Conflict when a rule changed meanwhile or is another user's."""
    known = {rule.id: rule for rule in rules_of(store, user.id)}
    most = policy.plan(store, user.id).rules
    rules = rule_table.read(table, store.instrument_by_symbol, known, user.id, most)
    # Deleted ones keep their ids: a row of one brings it back.
    deleted = {rule.id: rule for rule in store.rules([it.id for it in rules if not it.revision]) if rule.user == user.id}
    if deleted:
        rules = rule_table.read(table, store.instrument_by_symbol, known | deleted, user.id, most)
    new = [rule for rule in rules if _is_new(rule, deleted)]
    policy.check_rules(store, user.id, len(new))
    if not is_dry_run:
        # Lists show the newest change first: so they have the order of the table.
        store.save_rules(rules[::-1])
    return Imported(len(new), len(rules) - len(new))


def _is_new(rule: Rule, deleted: dict[str, Rule]) -> bool:
    return not rule.revision or (rule.id in deleted and deleted[rule.id].state is RuleState.DELETED)
