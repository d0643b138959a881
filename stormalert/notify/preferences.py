"""What users want of their alerts' messages beside their channels' settings: of a rule's, and of many at once.

Kept apart from the rules themselves: to change a rule is to arm it anew, and what becomes of its alerts is not its condition.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from pydantic import Field

from stormalert.model import Id, Record, Rule, RuleState
from stormalert.store import Store


class Loudness(StrEnum):
    """SILENT: without a sound, where the provider can do that. OFF: in the history only."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"


class RuleWish(Record):
    loudness: Loudness = Loudness.ON
    # Empty: all of its owner's.
    channels: tuple[Id, ...] = ()


class Burst(Record):
    """More than `most` alerts within `within_s` are told together."""

    most: int = Field(ge=1, le=100_000)
    within_s: int = Field(ge=1, le=300)


_USUAL = RuleWish()
_RULES = "wish."


def of_rule(store: Store, rule: str) -> RuleWish:
    text = store.setting(_of_rule(rule))
    return RuleWish.model_validate_json(text) if text else _USUAL


def of_rules(store: Store, rules: Sequence[str]) -> dict[str, RuleWish]:
    found = store.settings([_of_rule(rule) for rule in rules])
    texts = {rule: found.get(_of_rule(rule)) for rule in rules}
    return {rule: RuleWish.model_validate_json(text) if text else _USUAL for rule, text in texts.items()}


def save_of_rule(store: Store, rule: str, wish: RuleWish) -> None:
    store.save_setting(_of_rule(rule), "" if wish == _USUAL else wish.model_dump_json())


def burst(store: Store, user: str) -> Burst | None:
    """The user's own; None where the installation's counts."""
    text = store.setting(_burst(user))
    return Burst.model_validate_json(text) if text else None


def save_burst(store: Store, user: str, wish: Burst | None) -> None:
    store.save_setting(_burst(user), wish.model_dump_json() if wish else "")


def forget_deleted(store: Store, rules: Iterable[Rule]) -> None:
    """Of those among the rules that are deleted."""
    deleted = [_of_rule(rule.id) for rule in rules if rule.state is RuleState.DELETED]
    for name in store.settings(deleted):
        store.delete_setting(name)


def forget(store: Store, user: str) -> None:
    """Of a user who goes, and of all of their rules, deleted ones too."""
    ids = [name.removeprefix(_RULES) for name in store.settings_like(_RULES)]
    own = [_of_rule(rule.id) for rule in store.rules(ids) if rule.user == user]
    for name in (*own, _burst(user)):
        store.delete_setting(name)


def _of_rule(rule: str) -> str:
    return f"{_RULES}{rule}"


def _burst(user: str) -> str:
    return f"burst.{user}"
