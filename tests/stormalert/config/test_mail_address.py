from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP, default

import pytest

from stormalert.config import settings
from stormalert.config.mail_address import MailSender, sender_of
from stormalert.errors import SettingsError
from workers.channels.email import compose
from workers.render import Message


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("alerts@storm.example", "", "alerts@storm.example"),
        ("<alerts@storm.example>", "", "alerts@storm.example"),
        ("StormAlert <alerts@localhost>", "StormAlert", "alerts@localhost"),
        ("Desk, Alerts <a@b>", "Desk, Alerts", "a@b"),
        ('"Desk, Alerts" <a@b>', "Desk, Alerts", "a@b"),
        (r'"The \"Desk\"" <a@b>', 'The "Desk"', "a@b"),
        ("Desk (Mumbai); Alerts: now <a@b.example>", "Desk (Mumbai); Alerts: now", "a@b.example"),
        ("सूचना <alerts@storm.example>", "सूचना", "alerts@storm.example"),
        ("Alerts <alerts@München.example>", "Alerts", "alerts@xn--mnchen-3ya.example"),
        ("Alerts <alerts@straße.example>", "Alerts", "alerts@xn--strae-oqa.example"),
        ("Alerts <alerts@भारत.भारत>", "Alerts", "alerts@xn--h2brj9c.xn--h2brj9c"),
    ],
)
def test_a_sender_is_a_name_and_an_address_and_arrives_as_both(text: str, name: str, address: str) -> None:
    assert sender_of(text) == MailSender(name, address)
    assert settings.parse({"STORM_MAIL_FROM": text}).mail_from == text
    mail = compose(text, "trader@storm.example", Message("d1", "headline", "details", 60))
    header = mail.as_bytes(policy=SMTP)
    assert header.isascii()
    read = BytesParser(EmailMessage, policy=default).parsebytes(header)["From"].addresses
    assert read == (Address(name, addr_spec=address),)
    assert mail["Message-ID"] == f"<d1@{address.rpartition('@')[2]}>"


@pytest.mark.parametrize(
    "text",
    [
        "StormAlert",
        "a@b, c@d",
        "Desk, a@b",
        "Desk <a@b",
        "Desk <a@b> <c@d>",
        "Desk <>",
        "Desk <a b@c>",
        "Desk <a@b c>",
        "Desk <a@-b>",
        "Desk <a@b\u200d.example>",
        "Desk <a@b..c>",
        "Desk <.a@b>",
        "Desk <सूचना@storm.example>",
        "Desk\r\nBcc: thief@storm.example <a@b>",
    ],
)
def test_a_sender_that_is_none_is_told_before_anything_is_sent(text: str) -> None:
    with pytest.raises(SettingsError, match=r"STORM_MAIL_FROM: .*expected an address such as alerts@example.com"):
        settings.parse({"STORM_MAIL_FROM": text})
