"""What came of the alerts: in the stream, in the store and in the outbox of the sandbox."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from stormalert.model import Alert, ChannelKind, Delivery, Direction, Kind, Rule, RuleState
from stormalert.redis.keys import DISPATCH_GROUP, Shard
from stormalert.redis.streams import read_alert
from stormalert.store import Store
from stormalert.units import HOUR_MS, now_ms
from tests.e2e.product import Product
from tests.evaluator.oracle import Expected

SHARD = Shard("s0")
QUIET_WITHIN_S = 180
# What admins are told of a machine that was too busy for a while, or of a year without holidays: no alert.
NOTICES = ("⚠", "✓")
# NSE: well-known ones, on which the demo has rules too, and others.
SYMBOLS = ("RELIANCE", "TCS", "INFY", "SBIN", "ONGC", "NTPC", "CIPLA", "GRASIM")


@dataclass(frozen=True)
class Accounts:
    """`messages` counts what is in the outbox by channel kind and the provider's id."""

    alerts: tuple[Alert, ...]
    deliveries: tuple[Delivery, ...]
    messages: Counter[tuple[str, str]]

    @property
    def missing(self) -> list[str]:
        """Alerts and channels of which nothing is in the outbox."""
        arrived = {(each.alert, each.channel_kind) for each in self.deliveries if key_of(each) in self.messages}
        return [f"{alert.id} by {kind}" for alert in self.alerts for kind in ChannelKind if (alert.id, kind) not in arrived]

    @property
    def repeated(self) -> Counter[tuple[str, str]]:
        """Messages beyond the one that each alert and channel may have."""
        return self.messages - Counter(key_of(each) for each in self.deliveries)

    @property
    def repeated_ids(self) -> list[str]:
        return [alert for alert, count in Counter(alert.id for alert in self.alerts).items() if count > 1]

    @property
    def unsent(self) -> list[Delivery]:
        return [each for each in self.deliveries if not each.state.is_out]


def draw_up(product: Product) -> Accounts:
    store = product.store()
    try:
        alerts = stream_alerts(product)
        deliveries = [delivery for alert in alerts for delivery in store.deliveries_of(alert.id)]
        messages = Counter((message["channel"], provider_id(message)) for message in messages_of_alerts(product))
        return Accounts(tuple(alerts), tuple(deliveries), messages)
    finally:
        store.close()


def messages_of_alerts(product: Product) -> list[dict[str, Any]]:
    return [message for message in product.outbox() if not message["text"].startswith(NOTICES)]


def stream_alerts(product: Product, since_ms: int = 0) -> list[Alert]:
    """Oldest first; those that fired since then."""
    with product.redis() as client:
        return [read_alert(entry) for _, entry in client.xrange(SHARD.alerts, str(since_ms))]


def add_rules(product: Product, name: str, armed_at_ms: int, cooldown_ms: int) -> list[Rule]:
    """Two on each symbol, which fire within seconds, so that a test need not wait for the demo's."""
    rules = []
    store = product.store()
    try:
        for symbol in SYMBOLS:
            instrument = store.instrument_by_symbol(f"NSE:{symbol}")
            assert instrument is not None, f"the sandbox lists no {symbol}"
            for kind, percent_e2, window_ms in ((Kind.ROLLING, 5, 20_000), (Kind.TRAILING, 8, 0)):
                rule = Rule(
                    id=f"{name}-{symbol}-{kind}",
                    user="demo",
                    token=instrument.token,
                    symbol=instrument.symbol,
                    kind=kind,
                    direction=Direction.BOTH,
                    percent_e2=percent_e2,
                    window_ms=window_ms,
                    cooldown_ms=cooldown_ms,
                    armed_at_ms=armed_at_ms,
                )
                rules.append(store.save_rule(rule))
    finally:
        store.close()
    return rules


def pause_all_rules(product: Product) -> None:
    """Returns when the engine has none armed and everything that fired has been delivered or given up."""
    store = product.store()
    try:
        rules = store.rules_of("demo", limit=1_000)
        for rule in rules:
            store.save_rule(rule.model_copy(update={"state": RuleState.PAUSED}))
        rule_keys = [SHARD.rule(rule.id) for rule in rules]
        with product.redis() as client:
            product.wait_until(
                lambda: all(client.hexists(key, "paused") for key in rule_keys), QUIET_WITHIN_S, "rules are still armed"
            )
            product.wait_until(
                lambda: not undispatched(client) and not store.unfinished_deliveries(now_ms(), now_ms() + HOUR_MS, 1),
                QUIET_WITHIN_S,
                "deliveries are still queued",
            )
    finally:
        store.close()


def undispatched(client: Any) -> int:
    """Alerts that dispatch has not read or not acknowledged."""
    group = next(each for each in client.xinfo_groups(SHARD.alerts) if each["name"] == DISPATCH_GROUP)
    return int(group["pending"]) + int(group["lag"])


def went_out(store: Store, alerts: Iterable[Alert]) -> bool:
    """Whether one of them at least has reached every channel."""
    return any({each.channel_kind for each in _sent(store, alert)} == set(ChannelKind) for alert in alerts)


def _sent(store: Store, alert: Alert) -> list[Delivery]:
    return [each for each in store.deliveries_of(alert.id) if each.state.is_out]


def as_expected(alert: Alert) -> Expected:
    """As the definition has it."""
    return Expected(alert.time_ms, alert.rule, alert.direction, alert.price_e4, alert.reference_e4)


def key_of(delivery: Delivery) -> tuple[str, str]:
    return delivery.channel_kind, delivery.provider_id


def provider_id(message: dict[str, Any]) -> str:
    """By which the delivery knows it."""
    if message["channel"] in ("telegram", "ntfy"):
        return str(message["message_id"])
    if message["channel"] == "whatsapp":
        return str(message["sid"])
    return str(message["raw"]["headers"]["Message-ID" if message["channel"] == "email" else "webhook-id"])
