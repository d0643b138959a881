"""What users want of their alerts' messages beside their channels' settings: of a rule's, and of many at once.

Kept apart from the rules themselves: to change a rule is to arm it anew, and what becomes of its alerts is not its condition.
"""

from collections.abc import Sequence
from enum import StrEnum

from pydantic import Field

from stormalert.model import Id, Record
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
    """The user's own; None where the house's counts."""
    text = store.setting(_burst(user))
    return Burst.model_validate_json(text) if text else None


def save_burst(store: Store, user: str, wish: Burst | None) -> None:
    store.save_setting(_burst(user), wish.model_dump_json() if wish else "")


def forget(store: Store, user: str, rules: Sequence[str]) -> None:
    """Of a user who goes, with all of their rules."""
    for name in (*map(_of_rule, rules), _burst(user)):
        store.delete_setting(name)


def _of_rule(rule: str) -> str:
    return f"wish.{rule}"


def _burst(user: str) -> str:
    return f"burst.{user}"
