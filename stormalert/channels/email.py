"""E-mail, over a mail server of one's own or a provider's; which row an answer is, stormalert/notify/smtp_answer.py reads."""

import re
from collections.abc import Mapping
from html import escape

from stormalert.config.mail_address import ascii_domain
from stormalert.config.settings import Settings
from stormalert.errors import InputError
from stormalert.notify.description import (
    TIMED_OUT,
    UNKNOWN,
    ChannelDescription,
    DemoAddress,
    Look,
    Meaning,
    MessagePreview,
    Question,
    RateLimit,
    SandboxPlaces,
)
from stormalert.units import SECOND_MS

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+(?:[A-Za-z]{2,63}|[Xx][Nn]--[A-Za-z0-9-]{1,59})"
)
_RATE_LIMITED = Meaning("rate limited", is_retried=True, after_s=15.0)


def _checked(text: str, _config: Settings) -> str:
    local, _, domain = text.rpartition("@")
    address = f"{local}@{ascii_domain(domain)}"
    if not _EMAIL.fullmatch(address) or len(address) > 254 or ".." in address:
        raise InputError(f"An e-mail address looks like you@example.com, was {text!r}.")
    return address


def _html(it: MessagePreview) -> str:
    head = f'<div class="head">{escape(it.sender)}\n<b>{escape(" ".join(it.headline.split()))}</b></div>'
    return f"{head}<b>{escape(it.headline)}</b>" + (f"\n{escape(it.details)}" if it.details else "")


def _in_sandbox(places: SandboxPlaces) -> Mapping[str, str]:
    return {"SMTP_URL": places.smtp, "STORM_SMTP_RATE": places.unlimited}


CHANNEL = ChannelDescription(
    name="E-mail",
    noun="e-mail",
    icon=":material/mail:",
    needs=("SMTP_URL",),
    options=("STORM_MAIL_FROM", "STORM_PUBLIC_URL"),
    machine=("STORM_SMTP_RATE",),
    set_up="A mailbox at any provider, or a mail server of your own: its address, user and password in one URL.",
    address_help="Such as you@example.com.",
    mend="See that the address is right and its mailbox takes mail; then switch it on again.",
    check=_checked,
    # Nobody refuses a mail for its length that holds one alert; it is cut where a person stops to read.
    longest=100_000,
    limits=lambda _address, config: (RateLimit(config.smtp_rate, SECOND_MS),),
    errors={
        421: _RATE_LIMITED,
        450: _RATE_LIMITED,
        "4xx": UNKNOWN,
        "time-out": TIMED_OUT,
        "5xx": Meaning("refused"),
        # What its status or its words say of the address, and of nothing else.
        "5xx to the recipient": Meaning("address refused", is_address_dead=True),
        "not an address": Meaning("not an e-mail address", is_address_dead=True),
        "mailbox full": Meaning("the mailbox is full", hint="make room in it"),
        "mailbox busy": Meaning("the mailbox gets too many mails"),
        "too large": Meaning("too large for the mailbox"),
        "content refused": Meaning("refused for its content", hint="mark our mails as wanted"),
        "refused by policy": Meaning("refused by policy", hint="ask whoever runs the mailbox"),
        "not supported": Meaning("our mail server takes no such address"),
        "login refused": Meaning("credentials refused", needs_admin=True, hint="check SMTP_URL"),
        "too many": Meaning("our mail account's limit is reached", needs_admin=True, hint="see it at the mail's provider"),
        "sender refused": Meaning(
            "the sender is refused", needs_admin=True, hint="check STORM_MAIL_FROM, and SPF, DKIM and DMARC of its domain"
        ),
        "relaying refused": Meaning("our mail server does not pass mails on", needs_admin=True, hint="check SMTP_URL"),
        "our server blocked": Meaning(
            "our mail server is blocked", needs_admin=True, hint="see whether it is on a block list, and its name and address"
        ),
        "greeting refused": Meaning("the mail server refuses us", needs_admin=True, hint="check SMTP_URL"),
    },
    look=Look("E-mail", _html, "background:#fff;border:1px solid #c5ccd6"),
    question=Question("mail", lambda config: config.smtp_url),
    in_sandbox=_in_sandbox,
    demo=lambda config: DemoAddress("trader@example.com", config.smtp_url),
    remarks="a 5xx is about the address when its enhanced status says so; without one when it is 550, 551 or 553 and "
    "speaks of no block, list, quota, sender, content or policy",
)
