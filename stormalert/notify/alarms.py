"""What only an admin can mend about a channel, kept until an admin has seen it: one alarm a kind of channel, the newest."""

import json
import logging
from typing import NamedTuple

from stormalert.model import ChannelKind
from stormalert.store import Store
from stormalert.units import now_ms

log = logging.getLogger("stormalert")


class Alarm(NamedTuple):
    kind: ChannelKind
    reason: str
    time_ms: int


def raise_alarm(store: Store, kind: ChannelKind, reason: str) -> None:
    log.error("channel needs an admin", extra={"channel": kind, "reason": reason})
    store.save_setting(_name(kind), json.dumps({"reason": reason, "time_ms": now_ms()}))


def alarms(store: Store) -> list[Alarm]:
    kept = ((kind, store.setting(_name(kind))) for kind in ChannelKind)
    return [Alarm(kind, **json.loads(text)) for kind, text in kept if text]


def clear_alarm(store: Store, kind: ChannelKind) -> None:
    store.save_setting(_name(kind), "")


def _name(kind: ChannelKind) -> str:
    return f"alarm.{kind}"
