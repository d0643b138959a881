"""One contract, held by every channel: against the sandbox, over real sockets, by the very libraries."""

from collections.abc import Callable
from typing import Any

import pytest

from stormalert.errors import Permanent, Retryable
from stormalert.model import Alert, ChannelKind
from tests.conftest import free_port
from tests.workers.fixtures import SMTP_PASSWORD, Bench, Post, Sandbox, demo_addresses, refused, written
from workers.deadlines import SEND_S
from workers.render import Message

# Their id of a message is the delivery's own.
BY_DELIVERY = (ChannelKind.EMAIL, ChannelKind.WEBHOOK)
# They do not say how long to wait.
WITHOUT_A_TIME = (ChannelKind.EMAIL, ChannelKind.WHATSAPP)


def read(sent: dict[str, Any]) -> str:
    """What its reader sees."""
    return f"{sent.get('subject', '')} {sent['text']}"


@pytest.fixture(params=list(ChannelKind), ids=str)
def bench(
    request: pytest.FixtureRequest, sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]
) -> Bench:
    return Bench(request.param, open_post(environment), sandbox)


def test_success_carries_the_whole_alert_and_gives_the_providers_id(bench: Bench, text: Message) -> None:
    assert bench.send(text)
    (sent,) = bench.sandbox.outbox(bench.kind)
    assert sent["to"].removeprefix("whatsapp:") in bench.address
    for part in ("NSE:INFY", "1,384.55", "2.13 %", "1,355.70", "5 min", "IST"):
        assert part in read(sent)


def test_one_connection_serves_many_messages(bench: Bench, text: Message) -> None:
    assert len({bench.send(text) for _ in range(5)}) == (1 if bench.kind in BY_DELIVERY else 5)
    assert len(bench.sandbox.outbox(bench.kind)) == 5


def test_a_rate_limit_is_retryable_after_the_time_it_names(bench: Bench, text: Message) -> None:
    bench.fault(too_many=1.0, retry_after_s=7)
    error = refused(bench, text)
    assert isinstance(error, Retryable)
    assert error.after_s is not None
    assert error.after_s > 0
    if bench.kind not in WITHOUT_A_TIME:
        assert error.after_s == 7


def test_a_server_error_is_retryable_and_the_next_message_goes_out(bench: Bench, text: Message) -> None:
    bench.fault(server_error=1.0)
    assert isinstance(refused(bench, text), Retryable)
    bench.fault(server_error=0.0)
    assert bench.send(text)


def test_a_server_that_does_not_answer_is_retryable(
    bench: Bench, text: Message, environment: dict[str, str], open_post: Callable[..., Post]
) -> None:
    bench.fault(time_out=1.0)
    impatient = Bench(bench.kind, open_post(environment, send_s=0.4), bench.sandbox)
    error = refused(impatient, text)
    assert isinstance(error, Retryable)
    assert error.reason == "timed out"
    bench.fault(time_out=0.0)
    # A busy machine may need longer for a good one.
    impatient.post._send_s = SEND_S
    assert impatient.send(text)


def test_a_server_that_answers_a_byte_a_second_is_left_after_the_time_of_one_call(
    bench: Bench, text: Message, environment: dict[str, str], open_post: Callable[..., Post], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the channel itself; where its library has no such deadline, by who calls it."""
    for module in ("twilio_http", "channels.telegram", "owners_servers"):
        monkeypatch.setattr(f"workers.{module}.ANSWER_S", 0.4)
    bench.fault(drip=True)
    within_s = 0.4 if bench.kind is ChannelKind.EMAIL else SEND_S
    error = refused(Bench(bench.kind, open_post(environment, within_s), bench.sandbox), text)
    assert isinstance(error, Retryable)
    assert error.reason == "timed out"
    bench.fault(drip=False)
    assert bench.send(text)


def test_a_recipient_who_blocked_us_is_a_dead_address(bench: Bench, text: Message) -> None:
    # The sandbox knows a server's places by their last name.
    bench.fault(blocked=[bench.address.rpartition("/")[2]])
    error = refused(bench, text)
    assert isinstance(error, Permanent)
    assert error.is_address_dead


def test_an_address_that_is_none_is_dead(bench: Bench, text: Message) -> None:
    error = refused(bench, text, "nobody, or so")
    assert isinstance(error, Permanent)
    assert error.is_address_dead


def test_a_server_that_is_away_is_retryable_and_tells_no_secret(
    bench: Bench, text: Message, environment: dict[str, str], open_post: Callable[..., Post]
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    roots = {"STORM_TELEGRAM_API_ROOT": nowhere, "STORM_TWILIO_API_ROOT": nowhere}
    away = environment | roots | {"SMTP_URL": f"smtp://storm:{SMTP_PASSWORD}@127.0.0.1:{free_port()}"}
    error = refused(Bench(bench.kind, open_post(away), bench.sandbox), text, demo_addresses(nowhere)[bench.kind])
    assert isinstance(error, Retryable)


@pytest.mark.parametrize("kind", [ChannelKind.TELEGRAM, ChannelKind.WHATSAPP])
def test_wrong_credentials_are_permanent_but_not_the_addresss_fault(
    kind: ChannelKind, sandbox: Sandbox, text: Message, environment: dict[str, str], open_post: Callable[..., Post]
) -> None:
    wrong = environment | {"TELEGRAM_BOT_TOKEN": "7:other", "TWILIO_AUTH_TOKEN": "other"}
    error = refused(Bench(kind, open_post(wrong), sandbox), text)
    assert isinstance(error, Permanent)
    assert not error.is_address_dead


def test_a_channel_without_settings_says_so(bench: Bench, text: Message, open_post: Callable[..., Post]) -> None:
    error = refused(Bench(bench.kind, open_post({}), bench.sandbox), text)
    assert isinstance(error, Permanent)
    assert "not set up" in str(error)


def test_text_is_escaped_for_the_channel_and_cannot_inject(bench: Bench, alert: Alert) -> None:
    nasty = alert.model_copy(update={"symbol": "NSE:<b>M&M</b>\r\nBcc: thief@storm.example"})
    bench.send(written(nasty))
    (sent,) = bench.sandbox.outbox(bench.kind)
    assert "<b>M&M</b> Bcc: thief@storm.example" in read(sent)
    assert "thief@storm.example" not in sent["to"]


def test_every_channel_says_the_same_in_its_readers_own_words(bench: Bench, alert: Alert) -> None:
    bench.send(written(alert, template="{symbol} <now> {price}\nvon {reference}"))
    (sent,) = bench.sandbox.outbox(bench.kind)
    assert "NSE:INFY <now> 1,384.55" in read(sent)
    assert "von 1,355.70" in read(sent)
