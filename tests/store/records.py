"""Records as the tests of the store need them: right in everything but what a test is about."""

from typing import Any

from stormalert.model import (
    Alert,
    AuditEntry,
    Channel,
    ChannelKind,
    Delivery,
    DeliveryState,
    Direction,
    Instrument,
    Kind,
    Mute,
    MuteScope,
    OneTimeToken,
    OneTimeTokenKind,
    Repeat,
    Rule,
    Session,
    SessionKind,
    User,
)

INFY = 408065
MINUTE_MS = 60_000


def a_user(user_id: str = "u1", name: str = "asha", **fields: Any) -> User:
    return User(**{"id": user_id, "name": name, "password_hash": "$argon2id$x", "created_ms": 1} | fields)


def a_rule(rule_id: str = "r1", **fields: Any) -> Rule:
    usual = {
        "id": rule_id,
        "user": "u1",
        "token": INFY,
        "symbol": "NSE:INFY",
        "kind": Kind.ROLLING,
        "direction": Direction.BOTH,
        "percent_e2": 150,
        "window_ms": 5 * MINUTE_MS,
        "repeat": Repeat.ONCE,
        "cooldown_ms": MINUTE_MS,
    }
    return Rule(**usual | fields)


def an_alert(alert_id: str = "r1-1", **fields: Any) -> Alert:
    usual = {
        "id": alert_id,
        "rule": "r1",
        "user": "u1",
        "token": INFY,
        "symbol": "NSE:INFY",
        "kind": Kind.TRAILING,
        "direction": Direction.DOWN,
        "price_e4": 13_845_500,
        "reference_e4": 14_000_000,
        "percent_e2": -110,
        "window_ms": 0,
        "time_ms": 1_000,
    }
    return Alert(**usual | fields)


def a_channel(channel_id: str = "c1", **fields: Any) -> Channel:
    usual = {"id": channel_id, "user": "u1", "kind": ChannelKind.EMAIL, "address": "asha@example.com"}
    return Channel(**usual | fields)


def a_mute(subject: str = str(INFY), **fields: Any) -> Mute:
    usual = {"user": "u1", "scope": MuteScope.INSTRUMENT, "name": "NSE:INFY", "until_ms": 0}
    return Mute.of(subject=subject, **usual | fields)


def a_delivery(delivery_id: str = "r1-1-c1", **fields: Any) -> Delivery:
    usual = {
        "id": delivery_id,
        "alert": "r1-1",
        "user": "u1",
        "channel": "c1",
        "channel_kind": ChannelKind.EMAIL,
        "state": DeliveryState.QUEUED,
        "queued_ms": 1_000,
        "updated_ms": 1_000,
    }
    return Delivery(**usual | fields)


def an_instrument(token: int = INFY, symbol: str = "NSE:INFY", name: str = "INFOSYS", **fields: Any) -> Instrument:
    return Instrument(**{"token": token, "symbol": symbol, "name": name, "segment": "NSE"} | fields)


def an_entry(entry_id: str = "e1", time_ms: int = 1_000, **fields: Any) -> AuditEntry:
    return AuditEntry(**{"id": entry_id, "time_ms": time_ms, "user": "asha", "action": "signed in"} | fields)


def a_session(session_id: str = "s1", **fields: Any) -> Session:
    usual = {"id": session_id, "user": "u1", "kind": SessionKind.BROWSER, "created_ms": 1, "seen_ms": 1, "expires_ms": 2**42}
    return Session(**usual | fields)


def a_one_time_token(token_id: str = "t1", **fields: Any) -> OneTimeToken:
    usual = {"id": token_id, "kind": OneTimeTokenKind.INVITATION, "made_by": "u1", "created_ms": 1, "expires_ms": 2**42}
    return OneTimeToken(**usual | fields)
