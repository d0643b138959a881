"""What only an admin can mend about a channel, kept until an admin has seen it: one alarm a kind of channel, the newest."""

import logging
from typing import NamedTuple

from stormalert.config.stored import ALARM, AlarmNote
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
    store.save_setting(ALARM.of(kind), ALARM.text(AlarmNote(reason=reason, time_ms=now_ms())))


def alarms(store: Store) -> list[Alarm]:
    kept = ((kind, ALARM.read(store.setting(ALARM.of(kind)))) for kind in ChannelKind)
    return [Alarm(kind, note.reason, note.time_ms) for kind, note in kept if note]


def clear_alarm(store: Store, kind: ChannelKind) -> None:
    store.save_setting(ALARM.of(kind), "")
