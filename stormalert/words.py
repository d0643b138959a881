"""Numbers and times as people in India read them, on screens and in messages."""

from datetime import datetime
from zoneinfo import ZoneInfo

from stormalert import channels
from stormalert.market.days import ist
from stormalert.model import ChannelKind, Mute, MuteScope
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS, format_price, now_ms

# What people call them.
CHANNELS = {kind: channels.of(kind).name for kind in ChannelKind}


def grouped(number: int) -> str:
    """12,34,567: the last three digits, then pairs."""
    digits = str(abs(number))
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ("-" if number < 0 else "") + ",".join([*reversed(pairs), tail])


def count_of(number: int, noun: str, plural: str = "") -> str:
    """1 rule, 12,345 rules; `plural` where it is not the noun with an s."""
    return f"{grouped(number)} {noun if number == 1 else plural or f'{noun}s'}"


def price(price_e4: int) -> str:
    """12,34,567.80"""
    whole, point, fraction = format_price(price_e4).partition(".")
    return f"{grouped(int(whole))}{point}{fraction}"


def duration(duration_ms: int) -> str:
    """5 min, 1 h 30 min, 45 s; a fraction of a second in ms, because a rule may have one."""
    hours, rest = divmod(duration_ms, HOUR_MS)
    minutes, rest = divmod(rest, MINUTE_MS)
    parts = [(hours, "h"), (minutes, "min"), (rest // SECOND_MS, "s"), (rest % SECOND_MS, "ms")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "none"


def rough_duration(duration_ms: int) -> str:
    """45 s, 3 min, 2 h 5 min: as exact as anybody wants to know."""
    unit_ms = SECOND_MS if duration_ms < 2 * MINUTE_MS else MINUTE_MS
    return duration(max(SECOND_MS, duration_ms // unit_ms * unit_ms))


def moment(time_ms: int, today_ms: int | None = None) -> str:
    """09:15:02 today, 22 Nov 09:15:02 on another day; in India, wherever the reader is."""
    then = ist(time_ms)
    today = ist(now_ms() if today_ms is None else today_ms)
    if then.date() == today.date():
        return f"{then:%H:%M:%S}"
    return f"{then.day} {then:%b %H:%M:%S}" if then.year == today.year else f"{then.day} {then:%b %Y %H:%M:%S}"


def clock(time_ms: int, today_ms: int | None = None) -> str:
    """14:30 IST today, 24 Nov 14:30 IST on another day: for moments to come."""
    return f"{moment(time_ms, today_ms)[:-3]} IST"


def clock_in(zone: str, time_ms: int, today_ms: int) -> str:
    """The same by the clocks of a zone: 07:00 GMT, 24 Nov 07:00 Asia/Dubai where the zone has no letters of its own."""
    place = ZoneInfo(zone)
    then, today = (datetime.fromtimestamp(each / SECOND_MS, place) for each in (time_ms, today_ms))
    letters = then.tzname() or ""
    text = f"{then:%H:%M} {letters if letters.isalpha() else zone}"
    return text if then.date() == today.date() else f"{then.day} {then:%b} {text}"


def mute(it: Mute, today_ms: int | None = None) -> str:
    """snoozed NSE:INFY until 14:30 IST; muted all alerts"""
    subject = {
        MuteScope.ALL: "all alerts",
        MuteScope.INSTRUMENT: it.name or "the instrument",
        MuteScope.RULE: f"the rule {it.name}" if it.name else "the rule",
    }[it.scope]
    return f"snoozed {subject} until {clock(it.until_ms, today_ms)}" if it.until_ms else f"muted {subject}"
