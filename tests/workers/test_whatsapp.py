"""What only WhatsApp has: the 24 hours for free text, templates, call-backs, and Twilio's error codes."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from redis import Redis

from stormalert.channels import whatsapp
from stormalert.config import settings
from stormalert.errors import Permanent, Retryable, SettingsError
from stormalert.model import ChannelKind
from stormalert.redis import keys
from tests.workers.fixtures import CONTENT_SID, Bench, Post, Sandbox, refused
from workers.channels.whatsapp import open_sender
from workers.render import Message


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def bench(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    return Bench(ChannelKind.WHATSAPP, open_post(environment | {"STORM_PUBLIC_URL": "http://127.0.0.1:9/"}), sandbox)


@pytest.fixture
def plain(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    """Without a template."""
    return Bench(ChannelKind.WHATSAPP, open_post(environment | {"STORM_TWILIO_CONTENT_SID": ""}), sandbox)


def test_twilio_is_told_how_long_the_message_is_worth_having_and_where_to_report(bench: Bench, text: Message) -> None:
    bench.send(text)
    bench.send(replace(text, useful_s=100_000))
    first, second = bench.sandbox.outbox("whatsapp")
    assert first["raw"]["ValidityPeriod"] == "3600"
    assert first["raw"]["StatusCallback"] == "http://127.0.0.1:9/callbacks/twilio/rule1-1-channel1"
    assert second["raw"]["ValidityPeriod"] == "14400"


def test_without_a_public_address_nothing_is_to_be_reported(plain: Bench, text: Message) -> None:
    plain.send(text)
    assert "StatusCallback" not in plain.sandbox.outbox("whatsapp")[0]["raw"]


def test_who_did_not_write_gets_the_template(bench: Bench, text: Message) -> None:
    bench.send(text)
    (sent,) = bench.sandbox.outbox("whatsapp")
    assert sent["raw"]["ContentSid"] == CONTENT_SID
    assert json.loads(sent["raw"]["ContentVariables"]) == {"1": text.headline, "2": text.details}
    assert "Body" not in sent["raw"]


def test_who_wrote_in_the_last_24_hours_gets_free_text(bench: Bench, text: Message, redis: Redis) -> None:
    redis.set(keys.inbound(bench.address), 1, ex=100)
    bench.send(text)
    (sent,) = bench.sandbox.outbox("whatsapp")
    assert sent["raw"]["Body"] == text.text
    assert "ContentSid" not in sent["raw"]


def test_when_the_24_hours_turn_out_to_be_over_the_template_goes_out_at_once(bench: Bench, text: Message, redis: Redis) -> None:
    redis.set(keys.inbound(bench.address), 1, ex=100)
    bench.fault(errors={bench.address: whatsapp.OUTSIDE_WINDOW}, at_once=True)
    assert bench.send(text)
    (sent,) = bench.sandbox.outbox("whatsapp")
    assert sent["raw"]["ContentSid"] == CONTENT_SID
    assert redis.get(keys.inbound(bench.address)) is None


def test_without_a_template_free_text_is_tried_and_a_refusal_says_what_is_missing(plain: Bench, text: Message) -> None:
    plain.fault(errors={plain.address: whatsapp.OUTSIDE_WINDOW}, at_once=True)
    error = refused(plain, text)
    assert isinstance(error, Permanent)
    assert not error.is_address_dead
    assert error.needs_admin
    assert "STORM_TWILIO_CONTENT_SID" in str(error)


def test_a_redis_that_is_away_means_the_template_which_may_always_be_sent(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    away = environment | {"STORM_REDIS_URL": "redis://127.0.0.1:9/0"}
    Bench(ChannelKind.WHATSAPP, open_post(away), sandbox).send(text)
    assert "ContentSid" in sandbox.outbox("whatsapp")[0]["raw"]


def test_a_template_has_the_variables_that_the_settings_name(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    named = environment | {"STORM_TWILIO_CONTENT_VARIABLES": "symbol, price,percent,window"}
    bench = Bench(ChannelKind.WHATSAPP, open_post(named), sandbox)
    bench.send(replace(text, fields={**text.fields, "window": "", "symbol": "NSE:\nINFY " + "x" * 2_000}))
    variables = json.loads(sandbox.outbox("whatsapp")[0]["raw"]["ContentVariables"])
    assert list(variables) == ["1", "2", "3", "4"]
    assert variables["1"].startswith("NSE: INFY xxx")
    assert (variables["2"], variables["3"], variables["4"]) == ("1,384.55", "2.13", "–")
    assert 800 < sum(map(len, variables.values())) <= 900


def test_variables_that_are_none_are_told_before_anything_is_sent(environment: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"STORM_TWILIO_CONTENT_VARIABLES: expected some of headline, .* was 'prise'"):
        open_sender(settings.parse(environment | {"STORM_TWILIO_CONTENT_VARIABLES": "symbol,prise"}))


def test_the_form_of_rfc_9457_says_the_same(bench: Bench, text: Message) -> None:
    bench.fault(answers={bench.address: "400 63013 problem: against the policy"})
    error = refused(bench, text)
    assert isinstance(error, Permanent)
    assert error.needs_admin and "Twilio 63013" in str(error) and "against the policy" in str(error)


@pytest.mark.parametrize(("code", "after_s"), [(20429, 2.0), (63018, 10.0), (30001, None), (99999, None)])
def test_what_may_pass_is_tried_again_after_its_time(bench: Bench, text: Message, code: int, after_s: float | None) -> None:
    bench.fault(errors={bench.address: code}, at_once=True)
    error = refused(bench, text)
    assert isinstance(error, Retryable)
    assert error.after_s == after_s


def test_a_code_fills_the_template_whatever_its_variables_are_named(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]
) -> None:
    named = environment | {"STORM_TWILIO_CONTENT_VARIABLES": "symbol,price,percent"}
    Bench(ChannelKind.WHATSAPP, open_post(named), sandbox).send(Message("code-1", "Your code is 123456", "Enter it.", 600))
    variables = json.loads(sandbox.outbox("whatsapp")[0]["raw"]["ContentVariables"])
    assert variables == {"1": "Your code is 123456", "2": "Enter it.", "3": "–"}
