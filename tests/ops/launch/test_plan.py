from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ops.launch import programs
from ops.launch.plan import DEMO_PASSWORD, OWN_IN_REPLAY, Recording, make_plan
from stormalert.errors import SettingsError

pytestmark = pytest.mark.usefixtures("processes")

RECORDING = Recording(Path("minutes.csv"), 60.0, ("NIFTY",))


def test_without_a_kite_key_everything_outside_is_played_by_the_sandbox() -> None:
    plan = make_plan({}, {})
    assert plan.is_demo
    config = plan.settings
    assert config.kite_api_root == config.telegram_api_root == config.twilio_api_root == "http://127.0.0.1:8800"
    assert config.kite_ws_root == "ws://127.0.0.1:8801"
    assert config.smtp_url == "smtp://127.0.0.1:8825"
    assert config.market_hours == "always"


def test_with_a_kite_key_there_is_no_sandbox_and_no_demo() -> None:
    plan = make_plan({"KITE_API_KEY": "k", "KITE_API_SECRET": "s"}, {})
    assert not plan.is_demo
    assert plan.settings.kite_api_root == "https://api.kite.trade"
    assert DEMO_PASSWORD not in plan.chosen
    assert "sandbox" not in [it.name for it in programs.programs(plan)]


def test_a_channel_with_an_account_of_its_own_is_real_even_in_the_demo() -> None:
    config = make_plan({"TELEGRAM_BOT_TOKEN": "7:real"}, {}).settings
    assert config.telegram_api_root == "https://api.telegram.org"
    assert config.telegram_bot_token.get_secret_value() == "7:real"
    assert config.twilio_api_root == "http://127.0.0.1:8800"


def test_secrets_are_made_once_and_kept() -> None:
    first = make_plan({}, {}).chosen
    again = make_plan({}, first).chosen
    assert again == first
    assert make_plan({}, {}).chosen["JWT_SECRET"] != first["JWT_SECRET"]


def test_a_moved_port_keeps_the_redis_password() -> None:
    first = make_plan({}, {})
    moved = make_plan({"STORM_REDIS_PORT": "7001"}, first.chosen)
    assert urlsplit(moved.settings.redis_url).port == 7001
    assert urlsplit(moved.settings.redis_url).password == urlsplit(first.settings.redis_url).password


def test_a_redis_of_ones_own_is_used_and_none_is_started() -> None:
    plan = make_plan({"STORM_REDIS_URL": "redis://elsewhere:6379/3"}, {"STORM_REDIS_URL": "redis://:old@127.0.0.1:6390/0"})
    assert plan.settings.redis_url == "redis://elsewhere:6379/3"
    assert "redis" not in [it.name for it in programs.programs(plan)]
    assert "STORM_REDIS_PORT" not in [port.setting for port in programs.ports(plan)]


def test_made_up_and_real_markets_have_data_of_their_own() -> None:
    assert make_plan({}, {}).data == Path("var/demo")
    assert make_plan({"KITE_API_KEY": "k"}, {}).data == Path("var")


def test_a_replay_reaches_nothing_that_is_real() -> None:
    real = {
        "KITE_API_KEY": "k",
        "KITE_API_SECRET": "s",
        "TELEGRAM_BOT_TOKEN": "7:real",
        "TWILIO_SID": "ACreal",
        "SMTP_URL": "smtps://mail.example.com",
        "MONGODB_URI": "mongodb://db.example.com/x",
        "STORM_REDIS_URL": "redis://elsewhere:6379/0",
    }
    plan = make_plan(real, {}, RECORDING)
    assert plan.is_demo
    assert plan.data == Path("var/replay")
    assert set(plan.forced) == set(OWN_IN_REPLAY)
    assert not set(plan.forced.values()) & set(real.values())
    assert plan.forced["MONGODB_URI"] == ""
    assert plan.forced["STORM_VAR"] == str(Path("var/replay"))


def test_a_replay_keeps_ports_and_other_settings() -> None:
    plan = make_plan({"STORM_PORT": "9000", "STORM_WORKERS": "1"}, {}, RECORDING)
    assert plan.settings.port == 9000
    assert plan.settings.workers == 1


def test_bad_settings_are_all_named_before_anything_is_chosen() -> None:
    with pytest.raises(SettingsError) as caught:
        make_plan({"STORM_PORT": "many", "STORM_WORKERS": "0", "STORM_UNKNOWN": "1"}, {})
    assert len(caught.value.problems) == 3


def test_no_secret_is_in_a_command_line() -> None:
    plan = make_plan({}, {})
    secrets = {plan.chosen[name] for name in ("JWT_SECRET", "STORM_MASTER_SECRET", DEMO_PASSWORD)}
    secrets.add(urlsplit(plan.settings.redis_url).password or "")
    words = {word for it in programs.programs(plan) for word in it.command}
    assert not [word for word in words for secret in secrets if secret in word]
