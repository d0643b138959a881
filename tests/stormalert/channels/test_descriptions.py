"""Each kind of channel is described whole, and what is said of it is true of the rest of the code."""

from pathlib import Path

import pytest

import stormalert.channels
import workers.channels
from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.config import overrides, settings
from stormalert.errors import Permanent, Retryable
from stormalert.model import DeliveryState
from stormalert.notify.description import MASTER_SECRET, UNKNOWN, ChannelDescription, SandboxPlaces

PLACES = SandboxPlaces("http://127.0.0.1:8800", "smtp://127.0.0.1:8825", "http://127.0.0.1:8501", "100000")
OWN = {MASTER_SECRET: "m" * 32}


@pytest.fixture(params=list(ChannelKind), ids=str)
def channel(request: pytest.FixtureRequest) -> ChannelDescription:
    return channels.of(request.param)


def test_a_kind_is_a_file_that_describes_and_a_file_that_sends() -> None:
    described, sending = (
        {it.stem for it in Path(str(package.__file__)).parent.glob("*.py")}
        for package in (
            stormalert.channels,
            workers.channels,
        )
    )
    assert described == sending == {"__init__", *ChannelKind}


def test_what_it_needs_are_settings(channel: ChannelDescription) -> None:
    assert {*channel.needs, *channel.settings} <= set(settings.names())
    assert set(channel.account) <= set(overrides.NAMES)
    assert MASTER_SECRET not in channel.account


def test_the_sandbox_sets_it_up_and_the_demo_writes_there(channel: ChannelDescription) -> None:
    bare = settings.parse({})
    assert not channel.is_set_up(bare)
    assert channel.missing(bare) == list(channel.needs)
    config = settings.parse({**OWN, "STORM_KITE_API_ROOT": PLACES.http, **channel.in_sandbox(PLACES)})
    assert channel.is_set_up(config)
    demo = channel.demo(config)
    assert demo.root in (PLACES.http, PLACES.smtp)
    assert channel.check(demo.address, config) == demo.address


def test_every_answer_has_one_meaning(channel: ChannelDescription) -> None:
    for code, meaning in channel.errors.items():
        error = meaning.error("detail")
        assert isinstance(error, Retryable if meaning.is_retried else Permanent), code
        assert "detail" in str(error) and meaning.reason in str(error)
        # A dead address is its owner's to mend, and what is tried again is nobody's.
        assert meaning.is_retried + meaning.is_address_dead + meaning.needs_admin <= 1, code
    assert channel.meaning("what nobody ever heard of") is UNKNOWN
    assert channel.meaning("time-out").is_retried


def test_a_status_that_is_not_listed_means_what_its_hundred_means() -> None:
    webhook = channels.of(ChannelKind.WEBHOOK)
    assert webhook.meaning(503) is webhook.errors["5xx"]
    assert webhook.meaning(410) is not webhook.errors["4xx"]


def test_reports_go_from_the_furthest_to_sent(channel: ChannelDescription) -> None:
    assert channel.reports[-1] is DeliveryState.SENT
    assert all(further.reaches(nearer) for further, nearer in zip(channel.reports, channel.reports[1:], strict=False))


def test_its_words_are_sentences(channel: ChannelDescription) -> None:
    for text in (channel.set_up, channel.address_help, channel.mend, channel.look.note if channel.look else "."):
        assert not text or text.endswith("."), text
    assert channel.name and channel.noun and channel.icon.startswith(":material/")


def test_all_of_them_within_a_sentence() -> None:
    assert channels.nouns([ChannelKind.WEBHOOK, ChannelKind.TELEGRAM, ChannelKind.EMAIL]) == "Telegram, e-mail or a webhook"
    assert channels.nouns([ChannelKind.EMAIL]) == "e-mail"
