"""WhatsApp, by Twilio, with its error codes (twilio.com/docs/api/errors).

Two read the codes: the sender, when Twilio refuses a message at once, and the dashboard's call-back, when Twilio took the
message and it failed later.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import Any

from stormalert.config.settings import Settings
from stormalert.errors import DeliveryError, InputError
from stormalert.model import DeliveryState
from stormalert.notify.description import (
    TIMED_OUT,
    ChannelDescription,
    DemoAddress,
    Judgement,
    Look,
    Meaning,
    Question,
    RateLimit,
    SandboxPlaces,
)
from stormalert.units import SECOND_MS

RATE_LIMITED = 20429
OUTSIDE_WINDOW = 63016

_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
_NO_NUMBER = Meaning("not a WhatsApp number", is_address_dead=True)
_NO_SENDER = Meaning("the sender is not a WhatsApp channel", needs_admin=True)
_CONTENT = Meaning("content refused", needs_admin=True)
_CATEGORY = Meaning("declined by Meta, which wants a template of the utility category", needs_admin=True)


def _checked(text: str, _config: Settings) -> str:
    number = re.sub(r"[\s()-]", "", text)
    if not _NUMBER.fullmatch(number):
        raise InputError(f"A WhatsApp number begins with + and its country, such as +919812345678, was {number!r}.")
    return number


def _limits(number: str, config: Settings) -> tuple[RateLimit, ...]:
    per_recipient = RateLimit(config.whatsapp_recipient_rate, SECOND_MS, of=number)
    return (RateLimit(config.whatsapp_sender_rate, SECOND_MS), per_recipient)


def _judged(status: int, fields: Mapping[str, Any]) -> Judgement:
    if status in (401, 403, 404):
        advice = "compare TWILIO_SID and TWILIO_AUTH_TOKEN with Twilio's console"
        return Judgement("the account or its token is refused", advice)
    if status != 200:
        return Judgement(f"answers with status {status}", "wait, then look again")
    if (state := str(fields.get("status", ""))) != "active":
        return Judgement(f"the account is {state or 'in no known state'}", "Twilio's console says why")
    return Judgement("the account is active")


def _in_sandbox(places: SandboxPlaces) -> Mapping[str, str]:
    return {
        "TWILIO_SID": "ACsandbox00000000000000000000000000",
        "TWILIO_AUTH_TOKEN": "sandbox-twilio-token",
        "TWILIO_FROM_NUMBER": "+14155238886",
        "STORM_TWILIO_API_ROOT": places.http,
        # The real Twilio would refuse it: nobody else can reach it.
        "STORM_PUBLIC_URL": places.dashboard,
        "STORM_TWILIO_CONTENT_SID": f"HX{'5a' * 16}",
        "STORM_WHATSAPP_SENDER_RATE": places.unlimited,
        "STORM_WHATSAPP_RECIPIENT_RATE": places.unlimited,
    }


CHANNEL = ChannelDescription(
    name="WhatsApp",
    noun="WhatsApp",
    icon=":material/chat:",
    needs=("TWILIO_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM_NUMBER"),
    options=("STORM_TWILIO_CONTENT_SID", "STORM_TWILIO_CONTENT_VARIABLES", "STORM_PUBLIC_URL"),
    machine=("STORM_TWILIO_API_ROOT", "STORM_WHATSAPP_SENDER_RATE", "STORM_WHATSAPP_RECIPIENT_RATE"),
    set_up="An account at Twilio with a WhatsApp sender and an approved template; its console shows all of it.",
    address_help="The number with its country, such as +919812345678.",
    mend="See that the number is right, and write a word to ours from it; then switch it on again.",
    check=_checked,
    longest=1600,
    limits=_limits,
    reports=(DeliveryState.READ, DeliveryState.DELIVERED, DeliveryState.SENT),
    errors={
        # Twilio limits concurrent requests and does not say how long to wait.
        RATE_LIMITED: Meaning("rate limited", is_retried=True, after_s=2.0),
        63018: Meaning("rate limited", is_retried=True, after_s=10.0),
        "time-out": TIMED_OUT,
        OUTSIDE_WINDOW: Meaning(
            "outside the 24 hours after the recipient's last message",
            wants_template=True,
            hint="set STORM_TWILIO_CONTENT_SID to an approved template, or write to the number",
        ),
        21610: Meaning("opted out by the recipient", is_address_dead=True),
        63014: Meaning("blocked by the recipient", is_address_dead=True),
        63015: Meaning("the recipient has not joined the sandbox", is_address_dead=True),
        21211: _NO_NUMBER,
        21614: _NO_NUMBER,
        63024: _NO_NUMBER,
        20003: Meaning("credentials refused", needs_admin=True),
        63003: _NO_SENDER,
        63007: _NO_SENDER,
        63005: _CONTENT,
        63021: _CONTENT,
        63032: _CATEGORY,
        63049: _CATEGORY,
    },
    look=Look(
        "WhatsApp, within 24 hours after you wrote",
        lambda it: escape("\n".join(filter(None, (it.headline, it.details)))),
        "background:#dcf5d0",
        note="WhatsApp puts it into its template when you have not written to our number for 24 hours.",
    ),
    question=Question(
        "twilio",
        lambda config: config.twilio_api_root,
        path=lambda config: f"/2010-04-01/Accounts/{config.twilio_sid}.json",
        login=lambda config: (config.twilio_sid, config.twilio_auth_token.get_secret_value()),
        judge=_judged,
    ),
    in_sandbox=_in_sandbox,
    demo=lambda config: DemoAddress("+919800000001", config.twilio_api_root),
    remarks="63016 goes out again at once as a template, where there is one",
)


def reason_of(code: int, *, has_template: bool) -> str:
    """In words, of a message that failed after Twilio took it."""
    detail = f"Twilio {code}" if code else "without a code"
    meaning = CHANNEL.meaning(code)
    return f"{meaning.reason}: {detail}" if meaning.wants_template and has_template else str(error_of(code, detail))


def error_of(code: int, detail: str) -> DeliveryError:
    """The code as an error; one that wants a template is permanent for who has none, and the admin's to mend."""
    meaning = CHANNEL.meaning(code)
    return replace(meaning, needs_admin=meaning.needs_admin or meaning.wants_template).error(detail)
