"""What only ntfy has: titles, priorities, tags and links, topics that are protected, and servers that users choose."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from stormalert.access.security import Sealer
from stormalert.channels.ntfy import CHANNEL
from stormalert.config import settings
from stormalert.errors import Permanent, Retryable
from stormalert.model import Alert, ChannelKind, Direction
from tests.workers.fixtures import MASTER_SECRET, Bench, Post, Sandbox, refused, written
from workers.channels.ntfy import published
from workers.limits import limits_of
from workers.render import Message

TOKEN = "tk_only-its-owner-knows"
PUBLIC_URL = "https://storm.example"


@pytest.fixture
def bench(sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post]) -> Bench:
    return Bench(ChannelKind.NTFY, open_post(environment | {"STORM_PUBLIC_URL": PUBLIC_URL}), sandbox)


@pytest.fixture
def small_server() -> Iterator[str]:
    """It takes messages of 300 bytes, and none in the topic `refused`."""

    class Small(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            is_taken = len(fields["message"]) <= 300 and fields["topic"] != "refused"
            body = b'{"id": "short"}' if is_taken else b"{}"
            self.send_response(200 if is_taken else 413)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Small)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sealed(address: str, secret: str = MASTER_SECRET) -> str:
    return f"{address}#{Sealer(secret).seal(TOKEN)}"


def test_an_alert_has_a_title_a_high_priority_tags_a_page_and_links(bench: Bench, text: Message, alert: Alert) -> None:
    number = bench.send(text)
    topic = bench.address.rpartition("/")[2]
    event = bench.sandbox.client.get(f"/{topic}/json?poll=1").json()
    opened = f"{PUBLIC_URL}/alerts?alert={alert.id}"
    assert event["id"] == number
    assert event["title"] == text.headline
    assert event["message"] == text.details
    assert event["priority"] == 4
    assert event["tags"] == ["chart_with_upwards_trend", "NSE:INFY"]
    assert event["click"] == opened
    assert [(it["action"], it["label"]) for it in event["actions"]] == [("view", "Chart"), ("view", "Snooze or pause")]
    assert event["actions"][0]["url"].startswith("https://kite.zerodha.com/")
    assert event["actions"][1]["url"] == opened


def test_what_is_no_alert_has_neither_tags_nor_links() -> None:
    code = Message("code-1", "Your StormAlert code is 123456", "It is good for 10 minutes.", useful_s=600)
    assert published(code, PUBLIC_URL, CHANNEL.longest) == {
        "title": "Your StormAlert code is 123456",
        "message": "It is good for 10 minutes.",
        "priority": 3,
    }
    # ntfy would write "triggered" in the place of nothing.
    assert published(replace(code, details=""), PUBLIC_URL, CHANNEL.longest) == {"message": code.headline, "priority": 3}


def test_without_a_sound_is_a_low_priority_and_without_a_public_address_only_the_chart_is_a_link(alert: Alert) -> None:
    down = written(alert.model_copy(update={"direction": Direction.DOWN}))
    found = published(replace(down, is_silent=True), "", CHANNEL.longest)
    assert (found["priority"], found["tags"][0]) == (2, "chart_with_downwards_trend")
    assert "click" not in found
    assert [it["label"] for it in found["actions"]] == ["Chart"]


def test_a_protected_topic_takes_its_token_and_nothing_else(bench: Bench, text: Message) -> None:
    topic = bench.address.rpartition("/")[2]
    bench.sandbox.client.post("/control/ntfy", json={"topic": topic, "token": TOKEN}).raise_for_status()
    try:
        bench.send(text, sealed(bench.address))
        assert len(bench.sandbox.outbox("ntfy")) == 1
        bare = refused(bench, text)
        bench.sandbox.client.post("/control/ntfy", json={"topic": topic, "token": "tk_another"}).raise_for_status()
        wrong = refused(bench, text, sealed(bench.address))
    finally:
        bench.sandbox.client.post("/control/ntfy", json={"topic": topic, "token": ""}).raise_for_status()
    for error, status in ((bare, 403), (wrong, 401)):
        assert isinstance(error, Permanent) and error.is_address_dead
        assert str(error) == f"the topic is protected: its access token is missing, or not the right one; HTTP {status}"


def test_a_token_that_cannot_be_opened_is_not_the_addresss_fault(bench: Bench, text: Message) -> None:
    error = refused(bench, text, sealed(bench.address, "x" * 32))
    assert isinstance(error, Permanent) and error.needs_admin and not error.is_address_dead
    assert bench.sandbox.outbox("ntfy") == []


def test_the_longest_message_is_taken_whatever_its_letters(bench: Bench, alert: Alert) -> None:
    bench.send(written(alert, template="{symbol}\n" + "₹" * 990))
    bench.send(replace(written(alert), details="₹" * 5_000))
    assert all(len(sent["raw"]["message"].encode()) <= 4_096 for sent in bench.sandbox.outbox("ntfy"))


def test_a_server_that_takes_less_gets_it_once_more_and_shorter(bench: Bench, text: Message, small_server: str) -> None:
    assert bench.send(replace(text, details="x " * 600), f"{small_server}/topic") == "short"
    error = refused(bench, replace(text, delivery="refused"), f"{small_server}/refused")
    assert isinstance(error, Permanent) and not error.is_address_dead
    assert str(error) == "too long: HTTP 413"


@pytest.mark.parametrize("status", [404, 410])
def test_a_topic_that_is_gone_is_dead(bench: Bench, text: Message, status: int) -> None:
    bench.fault(errors={bench.address.rpartition("/")[2]: status})
    error = refused(bench, text)
    assert isinstance(error, Permanent) and error.is_address_dead


def test_the_daily_quota_is_waited_out(bench: Bench, text: Message) -> None:
    bench.fault(errors={bench.address.rpartition("/")[2]: 42908})
    error = refused(bench, text)
    assert isinstance(error, Retryable) and error.after_s == 5.0


def test_a_server_in_our_own_network_gets_nothing(
    sandbox: Sandbox, environment: dict[str, str], open_post: Callable[..., Post], text: Message
) -> None:
    strict = Bench(ChannelKind.NTFY, open_post(environment | {"STORM_WEBHOOK_PRIVATE": "refuse"}), sandbox)
    for address in (strict.address, strict.address.replace("http://", "https://")):
        error = refused(strict, text, address)
        assert isinstance(error, Permanent) and error.is_address_dead
        assert error.reason == "address refused"
    assert sandbox.outbox("ntfy") == []


def test_all_topics_of_a_server_share_its_rate(environment: dict[str, str]) -> None:
    config = settings.parse(environment)
    (one,), (other,), (elsewhere,) = (
        limits_of(ChannelKind.NTFY, address, config)
        for address in ("https://ntfy.sh/a", sealed("https://ntfy.sh/b"), "https://ntfy.example.com/a")
    )
    assert one == other != elsewhere
    assert (one.most, one.window_ms) == (60, 300_000)
