"""What only Telegram has: groups that move, limits and markup."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from stormalert.errors import Moved
from stormalert.model import ChannelKind
from tests.workers.fixtures import Bench, Post, Sandbox, refused
from workers.channels.telegram import html
from workers.render import Message


@pytest.fixture
def bench(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    return Bench(ChannelKind.TELEGRAM, open_post(environment), sandbox)


def test_a_group_that_became_a_supergroup_tells_its_new_address(bench: Bench, text: Message) -> None:
    bench.fault(migrated={"-42": -1001})
    error = refused(bench, text, "-42")
    assert isinstance(error, Moved)
    assert (error.address, error.after_s) == ("-1001", 0)
    assert bench.send(text, error.address)


def test_a_text_of_any_length_and_any_signs_goes_out(bench: Bench, text: Message) -> None:
    for headline, details in (("<&>" * 2_000, ""), ("x", "📈 <b> &amp; " * 1_000), ("&" * 4_096, "&" * 4_096)):
        bench.send(replace(text, headline=headline, details=details))
    for sent in bench.sandbox.outbox("telegram"):
        assert len(sent["text"].encode("utf-16-le")) <= 2 * 4_096
        assert sent["text"].endswith("…")


def test_a_cut_is_made_before_the_text_is_escaped(text: Message) -> None:
    assert html(replace(text, headline="&" * 4_095, details="&&")) == f"<b>{'&amp;' * 4_095}</b>…"


def test_a_silent_message_makes_no_sound(bench: Bench, text: Message) -> None:
    bench.send(text)
    bench.send(replace(text, is_silent=True))
    loud, silent = bench.sandbox.outbox("telegram")
    assert "disable_notification" not in loud["raw"]
    assert silent["raw"]["disable_notification"] == "true"
