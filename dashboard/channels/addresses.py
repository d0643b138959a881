"""Whether an address can be one of its channel; the provider has the last word."""

import re

from stormalert.errors import InputError
from stormalert.model import ChannelKind
from stormalert.notify.webhooks import checked_url

# 0-9, not \d: that takes the digits of every script.
_CHAT = re.compile(r"-?[1-9][0-9]{0,18}")
_NUMBER = re.compile(r"\+[1-9][0-9]{7,14}")
_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")

HELP = {
    ChannelKind.TELEGRAM: "Use the link above; or, for a group with the bot in it, the group's chat id.",
    ChannelKind.WHATSAPP: "The number with its country, such as +919812345678.",
    ChannelKind.EMAIL: "Such as you@example.com.",
    ChannelKind.WEBHOOK: "The https:// address of a program of yours that takes alerts as signed JSON.",
}


def checked(kind: ChannelKind, text: str, *, allows_private: bool = False) -> str:
    """The address as it is stored; `allows_private` is about webhooks. Raises InputError."""
    address = text.strip()
    if not address:
        raise InputError("Enter an address first.")
    if kind is ChannelKind.TELEGRAM:
        return _matching(_CHAT, address, "A Telegram chat id is a whole number, such as 700000001 or -1001234567890")
    if kind is ChannelKind.WHATSAPP:
        number = re.sub(r"[\s()-]", "", address)
        return _matching(_NUMBER, number, "A WhatsApp number begins with + and its country, such as +919812345678")
    if kind is ChannelKind.WEBHOOK:
        try:
            return checked_url(address, allows_private=allows_private)
        except ValueError as error:
            raise InputError(f"A webhook's address looks like https://example.com/hook: {error}, was {address!r}.") from None
    _matching(_EMAIL, address, "An e-mail address looks like you@example.com")
    if len(address) > 254 or ".." in address:
        raise InputError(f"An e-mail address looks like you@example.com, was {address!r}.")
    local, _, domain = address.rpartition("@")
    return f"{local}@{domain.lower()}"


def _matching(pattern: re.Pattern[str], address: str, rule: str) -> str:
    if not pattern.fullmatch(address):
        raise InputError(f"{rule}, was {address!r}.")
    return address
