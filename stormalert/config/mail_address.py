"""Addresses of mails as headers and servers want them: the domain in ASCII, whatever letters people write it in."""

import re
from typing import NamedTuple

_NAMED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>")
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


class MailSender(NamedTuple):
    """As people write it, "Desk, Alerts <a@b>", in its two parts; a name holds no quotes around it."""

    name: str
    address: str


def sender_of(text: str) -> MailSender:
    """Raises ValueError, with what was expected."""
    expected = "expected an address such as alerts@example.com, or a name before it: StormAlert <alerts@example.com>"
    if not text.isprintable():
        raise ValueError(f"{expected}; in one line")
    named = _NAMED.fullmatch(text.strip())
    name, address = (named["name"].strip(), named["address"].strip()) if named else ("", text.strip())
    local, at, domain = address.rpartition("@")
    domain = ascii_domain(domain)
    is_domain = len(domain) <= 253 and all(_LABEL.fullmatch(label) for label in domain.split("."))
    if not (at and is_domain and _LOCAL.fullmatch(local) and len(local) <= 64):
        raise ValueError(expected)
    if len(name) >= 2 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return MailSender(name, f"{local}@{domain}")


def ascii_domain(domain: str) -> str:
    """In small letters, by IDNA; as it was given where that has no word for it."""
    if domain.isascii():
        return domain.lower()
    # Here: it is seldom needed. Python's own codec is that of 2003, by which straße.example is another domain.
    import idna

    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain
