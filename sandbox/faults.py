"""What can be made to go wrong, as data: each switch with the sentence that explains it on the index page."""

import asyncio
import random
import re
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

# Of an answer word for word: its status, then what it says.
_ANSWER = re.compile(r"[1-5][0-9][0-9]([ -]|$)")
# Longer than any client waits: a request that hangs is left by its client, not by us.
HANG_S = 120.0


class FaultError(ValueError):
    """A change that was refused; the message says what was expected."""


class Trouble(Enum):
    """What happens to one message."""

    TOO_MANY = "too_many"
    SERVER_ERROR = "server_error"
    TIME_OUT = "time_out"
    LOST_REPLY = "lost_reply"


def _rate(text: str) -> Any:
    return field(default=0.0, metadata={"help": f"share (0 to 1) of {text}", "most": 1.0})


def _amount(default: float, text: str) -> Any:
    return field(default=default, metadata={"help": text})


def _switch(text: str) -> Any:
    return field(default=False, metadata={"help": text})


@dataclass
class StreamFaults:
    """Faults of the Kite stream, for all its sockets."""

    mute: bool = _switch("sockets stay open and say nothing, no heartbeat either")
    refuse: bool = _switch("handshakes are answered 403, whatever the token")
    tls_error: bool = _switch("TLS handshakes fail (of --tls-port)")
    gap: bool = _switch("no prices, but heartbeats: what happens meanwhile is never sent")
    trickle_s: float = _amount(0.0, "one frame each so many seconds; the rest waits in line and grows old (0: off)")
    drip: bool = _switch("a byte a second, of handshakes too")
    duplicates: float = _rate("packets sent twice")
    out_of_order: float = _rate("packets with an exchange time five seconds back")
    zero_price: float = _rate("packets with last price 0")
    spike: float = _rate("packets with a last price far off, the day's high and low untouched")
    spike_percent: float = _amount(20.0, "how far off a spike is")


@dataclass
class RestFaults:
    """Faults of Kite's REST interface."""

    too_many: float = _rate("requests answered 429")
    unavailable: float = _rate("requests answered 503 NetworkException")
    delay_s: float = _amount(0.0, "seconds by which every answer is late")
    drip: bool = _switch("answers come a byte a second")
    blank_columns: bool = _switch("rows with blank strike and last price among the instruments (the SDK crashes on them)")


@dataclass
class ChannelFaults:
    """Faults of one channel."""

    too_many: float = _rate("messages refused for the rate (429; SMTP 421)")
    server_error: float = _rate("messages refused by a broken server (500; SMTP 451)")
    time_out: float = _rate("messages neither taken nor answered")
    lost_reply: float = _rate("messages taken, but never answered")
    drip: bool = _switch("answers come a byte a second (SMTP: each reply)")
    retry_after_s: float = _amount(2.0, "seconds that a refusal for the rate asks to wait")
    blocked: list[str] = field(
        default_factory=list, metadata={"help": "recipients who blocked us (403; Twilio 21610; SMTP 550)"}
    )
    errors: dict[str, int] = field(
        default_factory=dict,
        metadata={"help": "recipient to error code; for Twilio 63xxx fails later, by call-back; SMTP 4xx or 5xx reply"},
    )
    answers: dict[str, str] = field(
        default_factory=dict,
        metadata={
            "help": "recipient to an answer word for word, status first: 403 Forbidden: ...; Twilio 400 63013 ...;"
            " SMTP 550 5.1.1 ..., with AUTH, MAIL or DATA in the recipient's place for that command",
            "of": str,
        },
    )

    def next_trouble(self) -> Trouble | None:
        """Draw what happens to the next message."""
        chance = random.random()  # noqa: S311 - a fault, not a secret
        for trouble in Trouble:
            chance -= float(getattr(self, trouble.value))
            if chance < 0:
                return trouble
        return None


@dataclass
class TelegramFaults(ChannelFaults):
    """Faults of Telegram."""

    migrated: dict[str, int] = field(
        default_factory=dict, metadata={"help": "group to the supergroup that it became (400 migrate_to_chat_id)"}
    )


@dataclass
class TwilioFaults(ChannelFaults):
    """Faults of Twilio."""

    at_once: bool = _switch("error codes of 63xxx refuse a message at once, instead of failing it later by call-back")
    any_time: bool = _switch("free text goes through as if every recipient had just written; else 63016 without a template")
    unordered: bool = _switch("status call-backs come in the wrong order, each twice")


@dataclass
class RateLimits:
    """How many messages the providers take. What is more is counted, and with `enforce` refused."""

    enforce: bool = _switch("refuse messages beyond the limits below (Telegram 429, Twilio 63018, SMTP 421)")
    telegram_bot: float = _amount(30.0, "messages in any second of one bot")
    telegram_chat: float = _amount(1.0, "messages in any second to one chat")
    telegram_group: float = _amount(20.0, "messages in any minute to one group")
    twilio_sender: float = _amount(80.0, "messages in any second of one sender")
    twilio_recipient: float = _amount(1.0, "messages in any second to one recipient")
    smtp: float = _amount(100.0, "messages in any second to the mail server")
    ntfy: float = _amount(60.0, "messages in any five minutes to the ntfy server")


@dataclass
class Faults:
    """All faults, by the part they belong to."""

    stream: StreamFaults = field(default_factory=StreamFaults)
    rest: RestFaults = field(default_factory=RestFaults)
    telegram: TelegramFaults = field(default_factory=TelegramFaults)
    twilio: TwilioFaults = field(default_factory=TwilioFaults)
    smtp: ChannelFaults = field(default_factory=ChannelFaults)
    webhook: ChannelFaults = field(default_factory=ChannelFaults)
    ntfy: ChannelFaults = field(default_factory=ChannelFaults)
    rates: RateLimits = field(default_factory=RateLimits)

    def change(self, wanted: object) -> dict[str, dict[str, Any]]:
        """Set what `wanted` names, all of it or nothing, and give the former values."""
        if not isinstance(wanted, dict):
            raise FaultError(f"expected a JSON object, was {wanted!r}")
        former: dict[str, dict[str, Any]] = {}
        for part, values in wanted.items():
            section = getattr(self, part, None) if part in {it.name for it in fields(self)} else None
            if section is None or not isinstance(values, dict):
                parts = ", ".join(it.name for it in fields(self))
                raise FaultError(f"expected {{part: {{fault: value}}}} with a part of {parts}, was {part!r}")
            for name, value in values.items():
                _check(section, part, name, value)
            former[part] = {name: getattr(section, name) for name in values}
        for part, values in wanted.items():
            for name, value in values.items():
                setattr(getattr(self, part), name, value)
        return former

    def reset(self) -> None:
        """Switch every fault off, in place: the parts keep their section."""
        for it in fields(self):
            section, fresh = getattr(self, it.name), type(getattr(self, it.name))()
            for each in fields(section):
                setattr(section, each.name, getattr(fresh, each.name))


async def hang() -> None:
    """Do not answer for longer than any client waits."""
    await asyncio.sleep(HANG_S)


def _check(section: Any, part: str, name: str, value: object) -> None:
    known = {it.name: it for it in fields(section)}
    if name not in known:
        raise FaultError(f"{part} has no fault {name!r}; it has {', '.join(known)}")
    current = getattr(section, name)
    if isinstance(current, bool):
        fits = isinstance(value, bool)
    elif isinstance(current, float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = is_number and 0 <= float(str(value)) <= known[name].metadata.get("most", float("inf"))
    elif isinstance(current, list):
        fits = isinstance(value, list) and all(isinstance(each, str) for each in value)
    else:
        fits = isinstance(value, dict) and all(_fits(each, known[name].metadata.get("of", int)) for each in value.values())
    if not fits:
        raise FaultError(f"{part}.{name}: expected {known[name].metadata['help']}, was {value!r}")


def _fits(value: object, kind: type) -> bool:
    return isinstance(value, kind) and (not isinstance(value, str) or _ANSWER.match(value) is not None)
