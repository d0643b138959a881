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
    UNKNOWN,
    UNKNOWN_REFUSAL,
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
_TOO_MANY = 429

_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
_NO_NUMBER = Meaning("not a WhatsApp number", is_address_dead=True)
_UNREACHABLE = Meaning("the recipient cannot be reached", hint="see that the number has WhatsApp, and a phone that is on")
_NO_SENDER = Meaning("the sender is not a WhatsApp channel", needs_admin=True, hint="check TWILIO_FROM_NUMBER")
_CREDENTIALS = Meaning("credentials refused", needs_admin=True, hint="check TWILIO_SID and TWILIO_AUTH_TOKEN")
_ACCOUNT = Meaning("the account may not send", needs_admin=True, hint="Twilio's console says why")
_NOT_ACTIVE = Meaning("the account is not active", needs_admin=True, hint="Twilio's console says why")
_TRIAL_LIMIT = Meaning("a trial account may not do that", needs_admin=True, hint="upgrade the account at Twilio")
_TRIAL = Meaning("a trial account sends to verified numbers only", needs_admin=True, hint="upgrade the account at Twilio")
_REGION = Meaning("the account may not send to that country", needs_admin=True, hint="allow it in Twilio's console")
_SERVICE = Meaning("the messaging service cannot send", needs_admin=True, hint="see its senders in Twilio's console")
_SET_UP = Meaning("the WhatsApp sender is not set up right", needs_admin=True, hint="see it in Twilio's console")
_POLICY = Meaning("against WhatsApp's policy", needs_admin=True, hint="see the sender's quality and its template")
_CONTENT = Meaning("content refused", needs_admin=True)
_TEMPLATE = Meaning("the template is refused", needs_admin=True, hint="check STORM_TWILIO_CONTENT_SID")
_VARIABLES = Meaning("the template's variables are refused", needs_admin=True, hint="check STORM_TWILIO_CONTENT_VARIABLES")
_CATEGORY = Meaning("declined by Meta, which wants a template of the utility category", needs_admin=True)
_REQUEST = Meaning("the request is refused", needs_admin=True, hint="check the settings of Twilio")
_QUEUED = Meaning("too many wait at Twilio", is_retried=True)
_LATE = Meaning("too late to be of use")
# Of a status whose code no table lists; any other of 4xx is an unknown refusal.
_BY_STATUS = {401: _CREDENTIALS, 403: _ACCOUNT, 404: _REQUEST, 408: UNKNOWN, 409: UNKNOWN, 425: UNKNOWN}


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
        63033: Meaning("blocked by the recipient", is_address_dead=True),
        63015: Meaning("the recipient has not joined the sandbox", is_address_dead=True),
        21211: _NO_NUMBER,
        21614: _NO_NUMBER,
        63024: _NO_NUMBER,
        # Of the recipient, who may be back: nobody's address is switched off for it.
        30003: _UNREACHABLE,
        30005: _UNREACHABLE,
        30006: _UNREACHABLE,
        63036: _UNREACHABLE,
        30004: Meaning("blocked on its way"),
        30007: Meaning("filtered on its way"),
        30036: _LATE,
        21266: Meaning("the number is the sender's own"),
        63031: Meaning("the number is the sender's own"),
        # What waiting may help with.
        20409: UNKNOWN,
        20500: UNKNOWN,
        20503: UNKNOWN,
        20504: UNKNOWN,
        21611: _QUEUED,
        30001: _QUEUED,
        30008: UNKNOWN,
        30017: _QUEUED,
        30410: UNKNOWN,
        63009: UNKNOWN,
        63010: UNKNOWN,
        63012: UNKNOWN,
        63023: UNKNOWN,
        # What only an admin can mend: the account.
        20003: _CREDENTIALS,
        10001: _NOT_ACTIVE,
        20005: _NOT_ACTIVE,
        20006: _ACCOUNT,
        20008: _CREDENTIALS,
        20403: _ACCOUNT,
        20404: _REQUEST,
        30002: Meaning("the account is suspended", needs_admin=True, hint="Twilio's console says why"),
        30010: Meaning("the message costs more than the account allows", needs_admin=True),
        30039: _ACCOUNT,
        63038: Meaning("the account's messages of the day are used up", needs_admin=True, hint="see Twilio's console"),
        63051: Meaning("the WhatsApp Business account is locked", needs_admin=True, hint="see Meta's Business Manager"),
        63020: Meaning("refused by Meta's Business Manager", needs_admin=True, hint="see its account and its payment"),
        10002: _TRIAL_LIMIT,
        572002: _TRIAL_LIMIT,
        21219: _TRIAL,
        21608: _TRIAL,
        21408: _REGION,
        21612: _REGION,
        # The sender.
        21212: _NO_SENDER,
        21601: _NO_SENDER,
        21603: _NO_SENDER,
        21606: _NO_SENDER,
        21659: _NO_SENDER,
        21660: _NO_SENDER,
        21661: _NO_SENDER,
        21910: _NO_SENDER,
        63002: _NO_SENDER,
        63007: _NO_SENDER,
        # One number that Meta does not know, or every one, because the sender does not fit.
        63003: Meaning(
            "the recipient is not found", needs_admin=True, hint="see whether it is this number only, or the sender"
        ),
        21701: _SERVICE,
        21703: _SERVICE,
        21704: _SERVICE,
        21705: _SERVICE,
        63001: _SET_UP,
        63008: _SET_UP,
        63022: _SET_UP,
        63035: _SET_UP,
        63037: _SET_UP,
        63013: _POLICY,
        # What it says.
        21602: _CONTENT,
        21605: _CONTENT,
        21617: _CONTENT,
        21619: _CONTENT,
        63005: _CONTENT,
        63006: _CONTENT,
        63011: _CONTENT,
        63021: _CONTENT,
        63026: _CONTENT,
        63030: _CONTENT,
        # Its template.
        21655: _TEMPLATE,
        63027: Meaning("the template is not there in its language", needs_admin=True, hint="check STORM_TWILIO_CONTENT_SID"),
        63029: _TEMPLATE,
        63040: Meaning("the template was rejected", needs_admin=True, hint="see it in Twilio's console"),
        63041: Meaning("the template is paused", needs_admin=True, hint="see it in Twilio's console"),
        63042: Meaning("the template was switched off", needs_admin=True, hint="see it in Twilio's console"),
        92006: _TEMPLATE,
        21656: _VARIABLES,
        63028: _VARIABLES,
        92007: _VARIABLES,
        63032: _CATEGORY,
        63049: _CATEGORY,
        # The rest of the request, which the settings make.
        20001: _REQUEST,
        20422: _REQUEST,
        21604: _REQUEST,
        21609: Meaning("the address for call-backs is refused", needs_admin=True, hint="check STORM_PUBLIC_URL"),
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


def error_of(code: int, detail: str, status: int = 0) -> DeliveryError:
    """The code as an error; one that wants a template is permanent for who has none, and the admin's to mend.

    `status`: of a message that Twilio refused at once; what it says counts where no table lists the code.
    """
    meaning = CHANNEL.errors.get(code) or _of_status(status)
    return replace(meaning, needs_admin=meaning.needs_admin or meaning.wants_template).error(detail)


def _of_status(status: int) -> Meaning:
    if status == _TOO_MANY:
        return CHANNEL.meaning(RATE_LIMITED)
    return _BY_STATUS.get(status) or (UNKNOWN_REFUSAL if 400 <= status < 500 else UNKNOWN)
