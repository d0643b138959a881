from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.launch import admin, demo
from ops.launch.plan import make_plan
from ops.launch.seed import seed
from ops.launch.seeding import trading_symbol
from stormalert.access.security import is_password
from stormalert.config import settings
from stormalert.errors import InputError, StormError
from stormalert.model import ChannelKind, Instrument, Role, RuleState
from stormalert.store import Store, open_store

INSTRUMENTS = [Instrument(token=n, symbol=f"NSE:{name}") for n, name in enumerate((*demo.SYMBOLS, "OTHER"), start=1)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store("", tmp_path / "store.sqlite3")
    yield opened
    opened.close()


def test_the_demo_can_be_seeded_twice(store: Store) -> None:
    for _ in range(2):
        user = admin.ensure(store, demo.USER, "first-password", demo.USER)
        assert demo.ensure_channels(store, user, make_plan({}, {}).settings) == len(ChannelKind)
        assert demo.ensure_rules(store, demo.demo_rules(user, INSTRUMENTS)) == 40
        assert demo.ensure_watchlist(store, user, INSTRUMENTS) == len(INSTRUMENTS)
    assert [user.name for user in store.users()] == [demo.USER]
    assert len(store.rules_of(user.id, limit=100)) == 40
    assert {it.kind for it in store.channels_of(user.id)} == set(ChannelKind)


def test_what_its_owner_changed_stays_changed(store: Store) -> None:
    user = admin.ensure(store, demo.USER, "first-password", demo.USER)
    demo.ensure_rules(store, demo.demo_rules(user, INSTRUMENTS))
    rule = store.rules_of(user.id)[0]
    store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))
    store.save_watchlist(user.id, [1])
    demo.ensure_rules(store, demo.demo_rules(user, INSTRUMENTS))
    assert len(store.rules_of(user.id)) == 39
    assert demo.ensure_watchlist(store, user, INSTRUMENTS) == 1


def test_the_printed_password_is_the_one_that_signs_in(store: Store) -> None:
    admin.ensure(store, demo.USER, "first-password", demo.USER)
    user = admin.ensure(store, demo.USER, "second-password", demo.USER)
    assert user.role is Role.ADMIN
    assert is_password("second-password", user.password_hash)
    assert not is_password("first-password", user.password_hash)


def test_a_channel_with_an_account_of_its_own_gets_no_made_up_address(store: Store) -> None:
    user = admin.ensure(store, demo.USER, "first-password", demo.USER)
    config = make_plan({"TELEGRAM_BOT_TOKEN": "7:real", "SMTP_URL": "smtps://u:p@mail.example.com"}, {}).settings
    demo.ensure_channels(store, user, config)
    made = {channel.kind for channel in store.channels_of(user.id)}
    assert made == set(ChannelKind) - {ChannelKind.TELEGRAM, ChannelKind.EMAIL}


def test_the_first_admin_is_made_once(store: Store) -> None:
    password = admin.add_first(store, "admin")
    user = store.user_by_name("admin")
    assert user is not None
    assert is_password(password, user.password_hash)
    assert admin.add_first(store, "admin") == ""


def test_a_name_that_cannot_be_one_is_refused_with_a_sentence(store: Store) -> None:
    with pytest.raises(InputError, match="name"):
        admin.add(store, "No Spaces")


@pytest.mark.parametrize(
    ("recorded", "listed"),
    [("NIFTY", "NSE:NIFTY 50"), ("BANKNIFTY", "NSE:NIFTY BANK"), ("INFY", "NSE:INFY"), ("NSE:INFY", "NSE:INFY")],
)
def test_a_recording_s_symbol_is_found_on_the_exchange(recorded: str, listed: str) -> None:
    assert trading_symbol(recorded) == listed


def test_the_demo_is_never_made_beside_the_real_kite() -> None:
    with pytest.raises(StormError, match=r"sandbox alone, and Kite is api\.kite\.trade"):
        seed(settings.parse({"KITE_API_KEY": "k"}))
