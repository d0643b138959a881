"""What users want of their alerts' messages beside their channels' settings: of a rule's, and of many at once.

Kept apart from the rules themselves: to change a rule is to re-arm it, and what becomes of its alerts is not its condition.
"""

from collections.abc import Iterable, Sequence

from stormalert.config.stored import BURST, RULE_PREFERENCES
from stormalert.config.stored import Burst as Burst
from stormalert.config.stored import Loudness as Loudness
from stormalert.config.stored import RulePreferences as RulePreferences
from stormalert.model import Rule, RuleState
from stormalert.store import Store

_USUAL = RulePreferences()


def of_rule(store: Store, rule: str) -> RulePreferences:
    return RULE_PREFERENCES.read(store.setting(RULE_PREFERENCES.of(rule))) or _USUAL


def of_rules(store: Store, rules: Sequence[str]) -> dict[str, RulePreferences]:
    found = store.settings([RULE_PREFERENCES.of(rule) for rule in rules])
    return {rule: RULE_PREFERENCES.read(found.get(RULE_PREFERENCES.of(rule))) or _USUAL for rule in rules}


def save_of_rule(store: Store, rule: str, wanted: RulePreferences) -> None:
    store.save_setting(RULE_PREFERENCES.of(rule), RULE_PREFERENCES.text(None if wanted == _USUAL else wanted))


def burst(store: Store, user: str) -> Burst | None:
    """The user's own; None where the installation's counts."""
    return BURST.read(store.setting(BURST.of(user)))


def save_burst(store: Store, user: str, wanted: Burst | None) -> None:
    store.save_setting(BURST.of(user), BURST.text(wanted))


def forget_deleted(store: Store, rules: Iterable[Rule]) -> None:
    """Of those among the rules that are deleted."""
    deleted = [RULE_PREFERENCES.of(rule.id) for rule in rules if rule.state is RuleState.DELETED]
    for name in store.settings(deleted):
        store.delete_setting(name)


def forget(store: Store, user: str) -> None:
    """Of a user who goes, and of all of their rules, deleted ones too."""
    ids = [RULE_PREFERENCES.whose(name) for name in store.settings_like(RULE_PREFERENCES.prefix)]
    own = [RULE_PREFERENCES.of(rule.id) for rule in store.rules(ids) if rule.user == user]
    for name in (*own, BURST.of(user)):
        store.delete_setting(name)
