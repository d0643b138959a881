"""The numbers by which a chat calls its rules: those of the list that it saw last, whatever came or went since."""

from typing import cast

from redis import Redis

from stormalert.errors import InputError
from stormalert.model import Rule, RuleState
from stormalert.redis import keys
from stormalert.store import Store


class Numbers:
    def __init__(self, store: Store, client: Redis) -> None:
        self._store = store
        self._client = client

    def give(self, chat: str, rules: list[Rule]) -> None:
        """From 1, in this order, in the place of the numbers before."""
        with self._client.pipeline(transaction=True) as pipe:
            pipe.delete(keys.listed(chat))
            if rules:
                pipe.rpush(keys.listed(chat), *(rule.id for rule in rules))
                pipe.expire(keys.listed(chat), keys.listed.kept_s)
            pipe.execute()

    def add(self, chat: str, rule: Rule, others: list[Rule]) -> int:
        """The next number; `others` come before it when nothing was numbered yet."""
        if not self.ids(chat):
            self.give(chat, others)
        number = int(self._client.rpush(keys.listed(chat), rule.id))
        self._client.expire(keys.listed(chat), keys.listed.kept_s)
        return number

    def ids(self, chat: str) -> list[str]:
        """Of the rules, in the order of their numbers."""
        return cast(list[str], self._client.lrange(keys.listed(chat), 0, -1))

    def rule(self, user: str, chat: str, text: str) -> Rule:
        """The user's own rule with that number. Raises InputError."""
        number, ids = whole(text, "number"), self.ids(chat)
        if not ids:
            raise InputError("send /list first: the numbers are those of the list that you saw last")
        if not 1 <= number <= len(ids):
            raise InputError(f"found number {number}, expected 1 to {len(ids)}, as in the last /list")
        rule = self._store.rule(ids[number - 1])
        if rule is None or rule.user != user or rule.state is RuleState.DELETED:
            raise InputError(f"rule {number} was deleted; /list shows what is there")
        return rule


def whole(text: str, noun: str) -> int:
    """Raises InputError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        found = repr(text[:32]) if text else "nothing"
        raise InputError(f"found {found}, expected a {noun} such as 1")
    return int(text)
