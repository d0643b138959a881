"""One contract, held by every channel: against the sandbox, over real sockets, by the very libraries."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from stormalert import settings
from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import Alert, ChannelKind
from tests.conftest import free_port
from tests.workers.rig import ADDRESSES, TOKEN, TWILIO_TOKEN, Sandbox
from workers.channels import CHANNELS, open_channels
from workers.loop import Loop
from workers.post import Post
from workers.render import Message, message

FAULTS = {ChannelKind.TELEGRAM: "telegram", ChannelKind.WHATSAPP: "twilio", ChannelKind.EMAIL: "smtp"}
SMTP_PASSWORD = "mail-secret"
SECRETS = (TOKEN, TWILIO_TOKEN, SMTP_PASSWORD)


@dataclass(frozen=True)
class Bench:
    """One channel, and the sandbox at its other end."""

    kind: ChannelKind
    post: Post
    sandbox: Sandbox

    @property
    def address(self) -> str:
        return ADDRESSES[self.kind]

    def send(self, text: Message, address: str = "") -> str:
        return self.post.send(self.kind, address or self.address, text)

    def fault(self, **values: Any) -> None:
        self.sandbox.faults(**{FAULTS[self.kind]: values})


@pytest.fixture
def text(alert: Alert) -> Message:
    return message("rule1-1-channel1", alert, now_ms=alert.time_ms, age_ms=0, useful_ms=3_600_000)


@pytest.fixture
def open_post() -> Iterator[Callable[..., Post]]:
    """Makes a post from an environment; its connections are closed at the end."""
    opened = []
    with Loop() as loop:

        def open_one(environment: dict[str, str], send_s: float = 5) -> Post:
            channels = loop.run(open_channels(settings.parse(environment)))
            opened.extend(channels.values())
            return Post(channels, loop, send_s)

        yield open_one
        for sender in opened:
            loop.run(sender.close())


@pytest.fixture
def environment(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.environment() | {"SMTP_URL": f"smtp://storm:{SMTP_PASSWORD}@127.0.0.1:{sandbox.smtp_port}"}


@pytest.fixture(params=list(CHANNELS), ids=str)
def bench(
    request: pytest.FixtureRequest, sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]
) -> Bench:
    return Bench(request.param, open_post(environment), sandbox)


def refused(bench: Bench, text: Message, address: str = "") -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        bench.send(text, address)
    for secret in SECRETS:
        assert secret not in str(caught.value)
        assert secret not in repr(caught.value.__cause__)
    return caught.value


def test_success_carries_the_whole_alert_and_gives_the_providers_id(bench: Bench, text: Message) -> None:
    assert bench.send(text)
    (sent,) = bench.sandbox.outbox(bench.kind)
    assert bench.address in sent["to"]
    for part in ("NSE:INFY", "1,384.55", "2.13 %", "1,355.70", "5 min", "IST"):
        assert part in sent["text"]


def test_one_connection_serves_many_messages(bench: Bench, text: Message) -> None:
    assert len({bench.send(text) for _ in range(5)}) == (1 if bench.kind is ChannelKind.EMAIL else 5)
    assert len(bench.sandbox.outbox(bench.kind)) == 5


def test_a_rate_limit_is_retryable_after_the_time_it_names(bench: Bench, text: Message) -> None:
    bench.fault(too_many=1.0, retry_after_s=7)
    error = refused(bench, text)
    assert isinstance(error, Retryable)
    assert error.after_s is not None
    assert error.after_s > 0
    if bench.kind is ChannelKind.TELEGRAM:
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
    assert impatient.send(text)


def test_a_recipient_who_blocked_us_is_a_dead_address(bench: Bench, text: Message) -> None:
    bench.fault(blocked=[bench.address])
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
    assert isinstance(refused(Bench(bench.kind, open_post(away), bench.sandbox), text), Retryable)


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
    bench.send(message("rule1-1-channel1", nasty, now_ms=alert.time_ms, age_ms=0, useful_ms=3_600_000))
    (sent,) = bench.sandbox.outbox(bench.kind)
    assert "<b>M&M</b> Bcc: thief@storm.example" in sent["text"]
    assert "thief@storm.example" not in sent["to"]


@pytest.mark.parametrize(
    ("code", "error_class", "is_address_dead"),
    [
        (20429, Retryable, False),
        (20003, Permanent, False),
        (21211, Permanent, True),
        (21610, Permanent, True),
        (21614, Permanent, True),
        (30001, Retryable, False),
    ],
)
def test_a_twilio_code_does_what_the_table_says(
    sandbox: Sandbox,
    environment: dict[str, str],
    open_post: Callable[..., Post],
    text: Message,
    code: int,
    error_class: type[DeliveryError],
    is_address_dead: bool,
) -> None:
    bench = Bench(ChannelKind.WHATSAPP, open_post(environment), sandbox)
    bench.fault(errors={bench.address: code})
    error = refused(bench, text)
    assert type(error) is error_class
    assert getattr(error, "is_address_dead", False) is is_address_dead


@pytest.mark.parametrize(("code", "error_class"), [(421, Retryable), (450, Retryable), (451, Retryable), (550, Permanent)])
def test_an_smtp_code_does_what_its_first_digit_says(
    sandbox: Sandbox,
    environment: dict[str, str],
    open_post: Callable[..., Post],
    text: Message,
    code: int,
    error_class: type[DeliveryError],
) -> None:
    bench = Bench(ChannelKind.EMAIL, open_post(environment), sandbox)
    bench.fault(errors={bench.address: code})
    assert type(refused(bench, text)) is error_class


def test_a_mail_has_the_deliverys_own_message_id_and_two_bodies(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    provider_id = Bench(ChannelKind.EMAIL, open_post(environment), sandbox).send(text)
    (sent,) = sandbox.outbox("email")
    assert provider_id == "<rule1-1-channel1@storm.example>" == sent["raw"]["headers"]["Message-ID"]
    assert sent["subject"].startswith("▲ NSE:INFY 1,384.55")
    assert "<strong>▲ NSE:INFY" in sent["html"]


def test_whatsapp_tells_twilio_how_long_the_message_is_worth_having(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    Bench(ChannelKind.WHATSAPP, open_post(environment), sandbox).send(text)
    (sent,) = sandbox.outbox("whatsapp")
    assert sent["raw"]["ValidityPeriod"] == "3600"
