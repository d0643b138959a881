"""The demo as docker-compose.demo.yml has it."""

import contextlib

import pytest
import redis

from stormalert import channels
from stormalert.model import ChannelKind
from stormalert.notify.description import SandboxPlaces
from stormalert.redis import keys
from stormalert.store import open_store
from tests.conftest import needed
from tests.deploy.compose_file import DEMO, DOMAIN, FILE, services
from tests.deploy.composed import composed

CONFINED = ("user", "read_only", "cap_drop", "security_opt", "mem_limit", "cpus", "pids_limit", "logging")


@pytest.mark.parametrize("name", ["sandbox", "demo"])
def test_what_it_adds_is_confined_as_everything_else(name: str) -> None:
    both = services(FILE, DEMO)
    assert {key for key in CONFINED if key not in both[name]} == set()
    assert both[name]["cap_drop"] == ["ALL"]
    assert both[name]["read_only"]
    assert both[name]["image"] in {service["image"] for service in services().values() if "build" in service}
    assert all(port.startswith("127.0.0.1:") for port in both[name].get("ports", []))


def test_nobody_real_can_be_written_to() -> None:
    for name in ("ingest", "worker", "bot", "dashboard", "demo"):
        environment = services(FILE, DEMO)[name]["environment"]
        roots = ("STORM_KITE_API_ROOT", "STORM_KITE_WS_ROOT", "STORM_TELEGRAM_API_ROOT", "STORM_TWILIO_API_ROOT", "SMTP_URL")
        assert all("//sandbox:" in environment[root] for root in roots), name


def test_it_sets_up_every_channel_as_make_run_does() -> None:
    places = SandboxPlaces("http://sandbox:8800", "smtp://sandbox:8825", "", "100000")
    wanted = {name: value for kind in ChannelKind for name, value in channels.of(kind).in_sandbox(places).items()}
    # Its own address is its name's; without a template free text goes out.
    for name in ("STORM_PUBLIC_URL", "STORM_TWILIO_CONTENT_SID"):
        wanted.pop(name)
    for name in ("worker", "bot", "dashboard", "demo"):
        environment = services(FILE, DEMO)[name]["environment"]
        assert {each: environment.get(each) for each in wanted} == wanted, name


@pytest.mark.usefixtures("processes")
@pytest.mark.e2e
def test_its_market_streams_without_a_hand_being_moved() -> None:
    needed("redis-cli", "redis-server")
    with composed(FILE, DEMO) as server:
        server.start("redis", "sandbox")
        server.wait_until_healthy("redis", "sandbox")
        server.start("ingest", "dashboard")
        server.wait_until_healthy("ingest", "dashboard")
        server.start("demo")
        assert server.ended("demo") == 0, server.log("demo").read_text()
        said = server.log("demo").read_text()
        # The one of before, at each start.
        assert f"Sign in at https://{DOMAIN} as demo, password {server.secret('demo_password')}\n" in said
        with redis.Redis.from_url(server.redis_url, decode_responses=True) as client:
            assert client.hget(keys.FEED, "state") == "streaming"
        with contextlib.closing(open_store("", server.store)) as store:
            assert {channel.kind for channel in store.channels_of("demo")} == set(ChannelKind)
            assert store.watchlist("demo")
