"""How the rules of one page stand in the engine, and what a row of the table says of each."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redis import Redis

from dashboard import texts
from stormalert import words
from stormalert.model import Rule, RuleState
from stormalert.redis.keys import shard_of, spread
from stormalert.redis.scripts import ask_all
from stormalert.rules.engine import TriggerPrice, read_armed, trigger_prices
from stormalert.units import parse_price_e4

# Classes of the table's badges, by the engine's words.
_NAMES = {
    "pending": "Waiting for a tick",
    "armed": "Armed",
    "cooling": "Cooling down",
    "spent": "Fired, done",
    "paused": "Paused",
    "unknown": "Being armed",
}


class RuleStatus(NamedTuple):
    """`state`: the engine's word, or unknown while it has not heard of the last change; `ready_ms`: until when it waits or
    cools; `price` and `triggers`: of an armed rule; `spread`: on how many of the watchlist's instruments it is.
    """

    state: str = "unknown"
    ready_ms: int = 0
    price: str = ""
    triggers: Sequence[TriggerPrice] = ()
    spread: int = 0


def read(redis: Redis, shards: int, rules: Sequence[Rule]) -> dict[str, RuleStatus]:
    """By id. Raises what redis-py does when Redis is away."""
    if not rules:
        return {}
    with redis.pipeline(transaction=False) as pipe:
        for rule in rules:
            if rule.is_on_watchlist:
                pipe.scard(spread(rule.id))
            else:
                shard = shard_of(rule.token, shards)
                pipe.hgetall(shard.rule(rule.id))
                pipe.zscore(shard.pending(rule.token), rule.id)
        answers = iter(pipe.execute())
    found = {
        rule.id: _on_watchlist(next(answers)) if rule.is_on_watchlist else _on_instrument(rule, next(answers), next(answers))
        for rule in rules
    }
    armed: dict[int, list[str]] = {}
    for rule in rules:
        if found[rule.id].state == "armed" and not rule.is_on_watchlist:
            armed.setdefault(rule.token, []).append(rule.id)
    replies = ask_all(redis, [trigger_prices(shard_of(token, shards), token, ids) for token, ids in armed.items()])
    for ids, reply in zip(armed.values(), replies, strict=True):
        if isinstance(reply, Exception):
            # What the script refuses is told by whoever evaluates the instrument.
            continue
        found |= {id: found[id]._replace(price=reply.price, triggers=reply.of.get(id, ())) for id in ids}
    return found


def row(rule: Rule, at: RuleStatus, last_alert_ms: int | None, notes: Sequence[str]) -> dict[str, str]:
    """What the table shows, as text; `notes`: what is special about its messages."""
    state = rule.state.value if rule.state is not RuleState.ACTIVE else at.state
    side, away = _to_firing(at) if state == "armed" else ("", "")
    return {
        "id": rule.id,
        "symbol": rule.symbol,
        "condition": texts.condition(rule),
        "fires": texts.repetition(rule),
        "state": state,
        "said": _said(state, at),
        "side": side,
        "away": away,
        "notes": " · ".join(note for note in notes if note),
        "last": words.moment(last_alert_ms) if last_alert_ms else "",
    }


def _said(state: str, at: RuleStatus) -> str:
    name = _NAMES[state]
    if at.spread and state == "armed":
        return f"{name} on {words.grouped(at.spread)}"
    if not at.ready_ms:
        return name
    return f"{name} until {words.moment(at.ready_ms)}" if state == "cooling" else f"Waiting until {words.moment(at.ready_ms)}"


def _to_firing(at: RuleStatus) -> tuple[str, str]:
    """The nearer side, and how far it is: up, 1.98 % to ₹1,412.81."""
    if not at.triggers:
        return "", ""
    price_e4 = parse_price_e4(at.price)
    nearest = min(at.triggers, key=lambda it: abs(parse_price_e4(it.trigger) - price_e4))
    trigger_e4 = _traded(parse_price_e4(nearest.trigger), nearest.side, price_e4)
    whole, hundredths = divmod(abs(trigger_e4 - price_e4) * 10_000 // price_e4, 100)
    return nearest.side, f"{words.grouped(whole)}.{hundredths:02d} % to {texts.rupees(trigger_e4)}"


def _traded(trigger_e4: int, side: str, price_e4: int) -> int:
    """The first price that fires of those in which the instrument is traded: whole paise, unless its last one is finer."""
    if price_e4 % 100:
        return trigger_e4
    return -(-trigger_e4 // 100) * 100 if side == "up" else trigger_e4 // 100 * 100


def _on_watchlist(armed: int) -> RuleStatus:
    return RuleStatus("armed", spread=armed) if armed else RuleStatus()


def _on_instrument(rule: Rule, fields: Mapping[str, str], ready_ms: Any) -> RuleStatus:
    armed = read_armed(fields)
    # A revision behind the store's: the engine has not heard of the change yet.
    if armed is None or armed.text.revision != rule.revision:
        return RuleStatus()
    return RuleStatus(armed.state, int(ready_ms or 0))
