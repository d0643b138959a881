"""ntfy: pushes to phones by topics, at ntfy.sh or at a server of one's own (docs.ntfy.sh/publish).

Who knows a topic can read it, unless its server protects it: then an access token goes with the address, and is sealed in it.
"""

import re
from collections.abc import Mapping
from html import escape
from urllib.parse import urlsplit

from stormalert.access.security import sealer
from stormalert.config.settings import Settings
from stormalert.errors import InputError
from stormalert.notify.description import (
    MASTER_SECRET,
    TIMED_OUT,
    UNKNOWN,
    ChannelDescription,
    DemoAddress,
    Look,
    Meaning,
    MessagePreview,
    RateLimit,
    SandboxPlaces,
)
from stormalert.notify.owners_servers import ADDRESS_REFUSED, LONGEST, checked_url
from stormalert.units import MINUTE_MS

# https://:TOKEN@host/topic, as ntfy's own tools write it; the colon may be left out.
_WITH_TOKEN = re.compile(r"(https?://):?([A-Za-z0-9_]{1,64})@(.+)", re.DOTALL)
_TOPIC = re.compile(r"/[-_A-Za-z0-9]{1,64}")
_GONE = Meaning("gone", is_address_dead=True)
_PROTECTED = Meaning("the topic is protected", is_address_dead=True, hint="its access token is missing, or not the right one")


def parts_of(address: str) -> tuple[str, str, str]:
    """Of a stored address: the server with a slash, the topic, and the sealed token or nothing."""
    url, _, sealed = address.partition("#")
    server, _, topic = url.rpartition("/")
    return f"{server}/", topic, sealed


def _checked(text: str, config: Settings) -> str:
    match = _WITH_TOKEN.fullmatch(text)
    url, token = (match[1] + match[3], match[2]) if match else (text, "")
    told = "A topic's address looks like https://ntfy.sh/your-topic"
    try:
        parts = urlsplit(checked_url(url, allows_private=config.webhook_private == "allow"))
    except ValueError as error:
        raise InputError(f"{told}: {error}.") from None
    if not _TOPIC.fullmatch(parts.path) or parts.query or "#" in url:
        raise InputError(f"{told}: behind the server it is one word of letters, digits, - and _.")
    address = f"{url}#{sealer(config).seal(token)}" if token else url
    if len(address) > LONGEST:
        raise InputError(f"The address and its token are too long: sealed they have {len(address)} characters, of {LONGEST}.")
    return address


def _shown(address: str) -> str:
    server, topic, sealed = parts_of(address)
    return f"{server}{topic}" + (" (with a token)" if sealed else "")


def _html(it: MessagePreview) -> str:
    return f"<b>{escape(it.headline)}</b>" + (f"\n{escape(it.details)}" if it.details else "")


def _in_sandbox(places: SandboxPlaces) -> Mapping[str, str]:
    # As for webhooks: the server is the sandbox.
    return {"STORM_WEBHOOK_PRIVATE": "allow", "STORM_NTFY_RATE": places.unlimited}


CHANNEL = ChannelDescription(
    name="ntfy",
    noun="ntfy",
    icon=":material/notifications_active:",
    needs=(MASTER_SECRET,),
    machine=("STORM_WEBHOOK_PRIVATE", "STORM_NTFY_RATE"),
    set_up="Needs no account: each user brings a topic.",
    address_help="https://ntfy.sh/your-topic, which nobody can guess; https://:TOKEN@your.server/topic where it is protected.",
    mend="See that the topic is there and its token may publish, or add it again with another token; then switch it on again.",
    check=_checked,
    shown=_shown,
    sealed_in=lambda address: parts_of(address)[2],
    # 4,096 bytes, of which a character takes up to three.
    longest=1365,
    # ntfy.sh takes 60 at once and one more every five seconds, of one sender for all topics: never more than 60 beyond that.
    limits=lambda address, config: (RateLimit(config.ntfy_rate, 5 * MINUTE_MS, of=parts_of(address)[0]),),
    can_be_silent=True,
    is_owners_server=True,
    errors={
        429: Meaning("rate limited", is_retried=True, after_s=5.0),
        408: UNKNOWN,
        425: UNKNOWN,
        "5xx": UNKNOWN,
        "time-out": TIMED_OUT,
        401: _PROTECTED,
        403: _PROTECTED,
        404: _GONE,
        410: _GONE,
        "not on the internet": ADDRESS_REFUSED,
        "token sealed with another secret": Meaning(
            "its token cannot be opened", needs_admin=True, hint=f"see {MASTER_SECRET}"
        ),
        413: Meaning("too long"),
        "3xx": Meaning("refused", hint="redirects are not followed"),
        "4xx": Meaning("refused"),
    },
    look=Look("ntfy", _html, "background:#e3f1ee", buttons=("Chart", "Snooze or pause")),
    in_sandbox=_in_sandbox,
    demo=lambda config: DemoAddress(f"{config.kite_api_root}/demo-topic", config.kite_api_root),
    remarks="counted by server; what is too long for it goes out once more, shorter",
)
