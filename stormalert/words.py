"""Numbers and times as people in India read them, on screens and in messages."""

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


def mute(it: Mute, today_ms: int | None = None) -> str:
    """snoozed NSE:INFY until 14:30 IST; muted all alerts"""
    subject = {
        MuteScope.ALL: "all alerts",
        MuteScope.INSTRUMENT: it.name or "the instrument",
        MuteScope.RULE: f"the rule {it.name}" if it.name else "the rule",
    }[it.scope]
    return f"snoozed {subject} until {clock(it.until_ms, today_ms)}" if it.until_ms else f"muted {subject}"
