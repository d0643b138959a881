"""Webhooks: a program of the owner's that takes alerts as signed JSON."""

from collections.abc import Mapping

from stormalert.config.settings import Settings
from stormalert.errors import InputError
from stormalert.notify.description import (
    MASTER_SECRET,
    TIMED_OUT,
    UNKNOWN,
    ChannelDescription,
    DemoAddress,
    Meaning,
    SandboxPlaces,
)
from stormalert.notify.owners_servers import ADDRESS_REFUSED, checked_url

_GONE = Meaning("gone", is_address_dead=True)


def _checked(text: str, config: Settings) -> str:
    try:
        return checked_url(text, allows_private=config.webhook_private == "allow")
    except ValueError as error:
        raise InputError(f"A webhook's address looks like https://example.com/hook: {error}, was {text!r}.") from None


def _in_sandbox(_places: SandboxPlaces) -> Mapping[str, str]:
    # The receiver is the sandbox too.
    return {"STORM_WEBHOOK_PRIVATE": "allow"}


CHANNEL = ChannelDescription(
    name="Webhook",
    noun="a webhook",
    icon=":material/webhook:",
    # Each channel's own secret is derived from it.
    needs=(MASTER_SECRET,),
    machine=("STORM_WEBHOOK_PRIVATE",),
    set_up="Needs no account: each user brings a server.",
    address_help="The https:// address of a program of yours that takes alerts as signed JSON.",
    mend="See that your program answers at this address with 200; then switch it on again.",
    check=_checked,
    longest=100_000,
    is_signed=True,
    is_owners_server=True,
    errors={
        429: Meaning("rate limited", is_retried=True, after_s=10.0),
        # Request Timeout, Too Early: another time it may do.
        408: UNKNOWN,
        425: UNKNOWN,
        "5xx": UNKNOWN,
        "time-out": TIMED_OUT,
        404: _GONE,
        410: _GONE,
        "not on the internet": ADDRESS_REFUSED,
        "3xx": Meaning("refused", hint="redirects are not followed"),
        "4xx": Meaning("refused"),
    },
    in_sandbox=_in_sandbox,
    demo=lambda config: DemoAddress(f"{config.kite_api_root}/webhook/demo", config.kite_api_root),
)
