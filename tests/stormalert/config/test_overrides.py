import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.reencrypt import reencrypt
from stormalert import channels
from stormalert.access.security import Sealer, sealer
from stormalert.config import overrides, settings
from stormalert.config.settings import Settings
from stormalert.errors import InputError, StormError
from stormalert.model import Channel, ChannelKind, User
from stormalert.store import Store

MASTER, OTHER = "m" * 32, "n" * 32
SECRETS = {
    "KITE_API_SECRET": "planted-kite-secret",
    "TELEGRAM_BOT_TOKEN": "1234567:planted-telegram-token",
    "TWILIO_AUTH_TOKEN": "planted-twilio-token",
    "SMTP_URL": "smtp://user:planted-password@mail.example:587",
}
# Tells its setting at each start; what is asked of it comes by the panel.
PROCESS = """
import asyncio
from stormalert import process

async def main(config, stopping):
    print(config.twilio_sid or "none", flush=True)
    await stopping.wait()

process.OVERRIDES_EVERY_S = 0.1
process.run("ingest", main, follows=["TWILIO_SID"])
"""


def config(**environment: str) -> Settings:
    return settings.parse({"STORM_MASTER_SECRET": MASTER} | environment)


def test_what_an_admin_sets_goes_before_the_environment_until_it_is_forgotten(store: Store) -> None:
    given = config(TWILIO_SID="ACenvironment", KITE_API_SECRET="from the environment")
    assert overrides.overlay(given, store) == given
    overrides.save(given, store, "TWILIO_SID", " ACpanel ")
    overrides.save(given, store, "KITE_API_SECRET", "from the panel")
    counting = overrides.overlay(given, store)
    assert (counting.twilio_sid, counting.kite_api_secret.get_secret_value()) == ("ACpanel", "from the panel")
    overrides.forget(store, "TWILIO_SID")
    assert overrides.overlay(given, store).twilio_sid == "ACenvironment"


def test_each_change_is_another_revision(store: Store) -> None:
    revisions = [overrides.revision(store)]
    for text in ("a", "b"):
        overrides.save(config(), store, "TWILIO_SID", text)
        revisions.append(overrides.revision(store))
    overrides.forget(store, "TWILIO_SID")
    assert len({*revisions, overrides.revision(store)}) == 4


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("JWT_SECRET", "x" * 40, "found 'JWT_SECRET', expected one of KITE_API_KEY"),
        ("STORM_REDIS_URL", "redis://elsewhere", "found 'STORM_REDIS_URL', expected one of"),
        ("SMTP_URL", "http://planted-password", "SMTP_URL: expected a URL that begins with smtp://"),
        ("STORM_TWILIO_CONTENT_SID", "planted", "STORM_TWILIO_CONTENT_SID: "),
        ("TWILIO_SID", "  ", "TWILIO_SID: expected printable characters"),
        ("TWILIO_SID", "a\nb", "TWILIO_SID: expected printable characters"),
    ],
)
def test_what_cannot_be_set_is_refused_without_saying_it(store: Store, name: str, text: str, sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        overrides.save(config(), store, name, text)
    assert str(refused.value).startswith(sentence) and "planted" not in str(refused.value)
    assert store.settings_like("panel") == {}


def test_nothing_is_kept_without_a_master_secret(store: Store) -> None:
    with pytest.raises(InputError, match="STORM_MASTER_SECRET is not set"):
        overrides.save(settings.parse({}), store, "TWILIO_SID", "AC1")


def test_a_value_that_cannot_be_opened_is_left_out_and_told_without_it(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    overrides.save(config(), store, "TWILIO_AUTH_TOKEN", "planted-twilio-token")
    overrides.save(config(), store, "TWILIO_SID", "AC1")
    with caplog.at_level(logging.WARNING):
        counting = overrides.overlay(config(STORM_MASTER_SECRET=OTHER, TWILIO_SID="AC2"), store)
    assert (counting.twilio_sid, counting.twilio_auth_token.get_secret_value()) == ("AC2", "")
    assert len(caplog.records) == 2 and "planted" not in caplog.text


def test_of_a_secret_the_last_four_characters_are_shown(store: Store) -> None:
    given = config(TELEGRAM_BOT_TOKEN="1234567:abcdefgh", KITE_API_SECRET="short", TWILIO_FROM_NUMBER="+14155238886")
    overrides.save(given, store, "SMTP_URL", SECRETS["SMTP_URL"])
    found = {it.name: it for it in overrides.shown(given, store)}
    assert list(found) == list(overrides.NAMES)
    assert (found["TELEGRAM_BOT_TOKEN"].tail, found["TELEGRAM_BOT_TOKEN"].source) == ("efgh", "environment")
    assert (found["KITE_API_SECRET"].tail, found["KITE_API_SECRET"].source) == ("", "environment")
    assert (found["SMTP_URL"].tail, found["SMTP_URL"].source) == (":587", "panel")
    assert (found["TWILIO_FROM_NUMBER"].tail, found["TWILIO_FROM_NUMBER"].is_secret) == ("+14155238886", False)
    assert (found["TWILIO_SID"].tail, found["TWILIO_SID"].source) == ("", "")


def test_no_file_of_the_store_holds_a_secret(store: Store, tmp_path: Path) -> None:
    for name, secret in SECRETS.items():
        overrides.save(config(), store, name, secret)
    files = list(tmp_path.glob("store.sqlite3*"))
    assert len(files) >= 2, "the write-ahead log too"
    assert not [file for file in files if b"planted" in file.read_bytes()]


def test_the_master_secret_is_changed_in_two_steps(store: Store) -> None:
    overrides.save(config(), store, "KITE_API_SECRET", "kite secret")
    store.save_setting("kite.access_token", sealer(config()).seal("token"))
    sealed = sealer(config()).seal("totp secret")
    store.save_user(User(id="u1", name="asha", password_hash="x", created_ms=1, totp_sealed=sealed))
    address = f"https://ntfy.example.com/topic#{sealer(config()).seal('tk')}"
    store.save_channel(Channel(id="c1", user="u1", kind=ChannelKind.NTFY, address=address))
    both = config(STORM_MASTER_SECRET=OTHER, STORM_MASTER_SECRET_PREVIOUS=MASTER)
    assert overrides.overlay(both, store).kite_api_secret.get_secret_value() == "kite secret"
    assert reencrypt(both, store) == (4, [])
    assert reencrypt(both, store) == (4, [])
    after = config(STORM_MASTER_SECRET=OTHER)
    assert overrides.overlay(after, store).kite_api_secret.get_secret_value() == "kite secret"
    user = store.user("u1")
    assert user and Sealer(OTHER).unseal(user.totp_sealed) == "totp secret"
    assert Sealer(OTHER).unseal(store.setting("kite.access_token") or "") == "token"
    channel = store.channel("c1")
    assert channel and Sealer(OTHER).unseal(channels.of(channel.kind).sealed_in(channel.address)) == "tk"
    with pytest.raises(StormError):
        Sealer(MASTER).unseal(user.totp_sealed)


def test_what_cannot_be_opened_is_named_and_left_as_it_is(store: Store) -> None:
    overrides.save(config(), store, "TWILIO_SID", "AC1")
    before = store.settings_like("panel.")
    assert reencrypt(config(STORM_MASTER_SECRET=OTHER), store) == (0, ["the setting panel.TWILIO_SID"])
    assert store.settings_like("panel.") == before


@pytest.mark.usefixtures("processes")
def test_a_process_starts_anew_in_its_own_place_when_the_panel_changes(store: Store, tmp_path: Path) -> None:
    theirs = {name: value for name, value in os.environ.items() if not name.startswith(("STORM_", "TWILIO_"))}
    ours = {"STORM_SQLITE_PATH": str(tmp_path / "store.sqlite3"), "STORM_MASTER_SECRET": MASTER, "STORM_VAR": str(tmp_path)}
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        env=theirs | ours | {"PYTHONPATH": str(Path(overrides.__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "none\n"
        overrides.save(config(), store, "TWILIO_SID", "AC1")
        assert process.stdout.readline() == "AC1\n"
        # What it does not use does not disturb it: it is the next change that it tells.
        overrides.save(config(), store, "KITE_API_KEY", "a key")
        time.sleep(0.5)
        overrides.forget(store, "TWILIO_SID")
        assert process.stdout.readline() == "none\n"
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()  # type: ignore[union-attr]
