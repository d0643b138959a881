import pytest

from dashboard.channels import book
from stormalert import channels
from stormalert.access.security import sealer
from stormalert.config import settings
from stormalert.errors import InputError
from stormalert.model import Channel, ChannelKind

CONFIG = settings.parse({"STORM_MASTER_SECRET": "m" * 32})
TELEGRAM, WHATSAPP, EMAIL, WEBHOOK, NTFY = (
    ChannelKind.TELEGRAM,
    ChannelKind.WHATSAPP,
    ChannelKind.EMAIL,
    ChannelKind.WEBHOOK,
    ChannelKind.NTFY,
)


def checked(kind: ChannelKind, text: str) -> str:
    return book.checked(kind, text, CONFIG)


@pytest.mark.parametrize(
    ("kind", "typed", "stored"),
    [
        (TELEGRAM, " 700000001 ", "700000001"),
        (TELEGRAM, "-1001234567890", "-1001234567890"),
        (WHATSAPP, "+91 98123-45678", "+919812345678"),
        (WHATSAPP, "+1 (415) 523-8886", "+14155238886"),
        (EMAIL, "Asha.Rao@Example.COM", "Asha.Rao@example.com"),
        (EMAIL, "a+storm@mail.example.co.in", "a+storm@mail.example.co.in"),
        (EMAIL, "asha@München.example", "asha@xn--mnchen-3ya.example"),
        (EMAIL, "asha@भारत.भारत", "asha@xn--h2brj9c.xn--h2brj9c"),
        (WEBHOOK, " https://example.com/hook?key=1 ", "https://example.com/hook?key=1"),
        (NTFY, " https://ntfy.sh/storm_Alerts-7 ", "https://ntfy.sh/storm_Alerts-7"),
    ],
)
def test_an_address_is_stored_as_its_provider_takes_it(kind: ChannelKind, typed: str, stored: str) -> None:
    assert checked(kind, typed) == stored
    assert Channel(id="c", user="u", kind=kind, address=stored).address == stored


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (WEBHOOK, "http://example.com/hook"),
        (WEBHOOK, "https://user:password@example.com/"),
        (WEBHOOK, "https://example.com/a b"),
        (WEBHOOK, "https://example.com:99999/"),
        (WEBHOOK, "https:///hook"),
        (WEBHOOK, "https://example.com/" + "x" * 250),
        (TELEGRAM, "@asha"),
        (TELEGRAM, "0"),
        (TELEGRAM, "007"),
        (TELEGRAM, "--7"),
        (TELEGRAM, "7.5"),
        (TELEGRAM, "9" * 20),
        # Digits, but not ones that a provider reads.
        (TELEGRAM, "7००००००"),
        (WHATSAPP, "9812345678"),
        (WHATSAPP, "+0812345678"),
        (WHATSAPP, "+1234567"),
        (WHATSAPP, "+1234567890123456"),
        (WHATSAPP, "+91 98123 45678 ext 2"),
        (WHATSAPP, "+91९८१२३४५६७८"),
        (EMAIL, "asha"),
        (EMAIL, "asha@localhost"),
        (EMAIL, "asha@@example.com"),
        (EMAIL, "a..b@example.com"),
        (EMAIL, "asha@example..com"),
        (EMAIL, "asha@-example.com"),
        (EMAIL, "asha @example.com"),
        (EMAIL, "asha@example.com\nBcc: all@example.com"),
        (EMAIL, "Asha <asha@example.com>"),
        (EMAIL, "a@" + "b" * 60 + ("." + "c" * 60) * 4 + ".com"),
        (EMAIL, "a" * 65 + "@example.com"),
    ],
)
def test_what_cannot_be_an_address_is_refused_with_an_example_and_what_it_was(kind: ChannelKind, typed: str) -> None:
    with pytest.raises(InputError) as refusal:
        checked(kind, typed)
    sentence = str(refusal.value)
    assert sentence.endswith(f", was {typed!r}.") or (kind is WHATSAPP and ", was '" in sentence)
    assert any(
        example in sentence for example in ("700000001", "+919812345678", "you@example.com", "https://example.com/hook:")
    )


@pytest.mark.parametrize("kind", ChannelKind)
def test_nothing_is_no_address(kind: ChannelKind) -> None:
    with pytest.raises(InputError, match=r"^Enter an address first\.$"):
        checked(kind, "  ")


def test_every_channel_says_what_an_address_looks_like() -> None:
    for kind in ChannelKind:
        channel = channels.of(kind)
        assert channel.address_help.endswith(".") and channel.mend.endswith("."), kind
        example = channel.demo(settings.parse({"STORM_KITE_API_ROOT": "https://example.com"})).address
        assert channel.shown(checked(kind, example)) == example


@pytest.mark.parametrize(
    "typed",
    [
        "http://ntfy.sh/topic",
        "https://ntfy.sh",
        "https://ntfy.sh/",
        "https://ntfy.sh/one/two",
        "https://ntfy.sh/topic?auth=tk_hidden",
        "https://ntfy.sh/topic#tk_hidden",
        "https://ntfy.sh/to pic",
        "https://ntfy.sh/" + "x" * 65,
        "https://user:tk_hidden@ntfy.sh/topic",
        "https://:tk_hidden@ntfy.sh/one/two",
        "https://:tk_hidden@" + "n" * 60 + "." + "n" * 60 + "." + "n" * 20 + ".example/topic",
    ],
)
def test_what_is_no_topic_is_refused_without_a_word_of_its_token(typed: str) -> None:
    with pytest.raises(InputError) as refusal:
        checked(NTFY, typed)
    assert "tk_hidden" not in str(refusal.value)
    assert "https://ntfy.sh/your-topic" in str(refusal.value) or "too long" in str(refusal.value)


@pytest.mark.parametrize("typed", ["https://:tk_hidden@ntfy.example.com/topic", "https://tk_hidden@ntfy.example.com/topic"])
def test_an_access_token_is_sealed_in_the_address_and_shown_to_nobody(typed: str) -> None:
    stored = checked(NTFY, typed)
    assert stored.startswith("https://ntfy.example.com/topic#") and "tk_hidden" not in stored
    channel = Channel(id="c", user="u", kind=NTFY, address=stored)
    assert channels.shown(channel) == "https://ntfy.example.com/topic (with a token)"
    assert sealer(CONFIG).unseal(channels.of(NTFY).sealed_in(stored)) == "tk_hidden"
    assert channels.of(NTFY).sealed_in("https://ntfy.sh/topic") == ""
