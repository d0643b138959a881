"""What the bot answers, without Telegram: a real store and a real Redis."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from stormalert.model import Alert, Delivery, Instrument, Rule, RuleState
from stormalert.notify import preferences
from stormalert.notify.preferences import Loudness, RulePreferences
from stormalert.store import Store, open_store
from workers.bot.buttons import Button, Press, Verb, chart_url, find_rule, under
from workers.bot.commands import PAGE, Commands, Said

INFY = Instrument(token=408065, symbol="NSE:INFY")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([INFY])
    yield store
    store.close()


@pytest.fixture
def commands(store: Store, redis_url: str) -> Iterator[Commands]:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield Commands(store, client)


def said(words: str = "", message: int = 1, user: str = "u1") -> Said:
    return Said(user, "42", message, words)


def a_rule(rule_id: str = "r1", **changes: object) -> Rule:
    fields = {"id": rule_id, "user": "u1", "token": INFY.token, "symbol": INFY.symbol, "kind": "day", "direction": "both"}
    return Rule.model_validate(fields | {"percent_e2": 100} | changes)


def test_a_message_that_telegram_brings_twice_makes_one_rule(commands: Commands, store: Store) -> None:
    assert commands.answer("add", said("NSE:INFY day 4%")).startswith("Added as number 1")
    assert commands.answer("add", said("NSE:INFY day 4%")).startswith("It is there already")
    assert commands.answer("add", said("NSE:INFY day 4%", message=2)).startswith("Added as number 2")
    assert len(store.rules_of("u1")) == 2


def test_a_rule_that_is_deleted_takes_along_how_its_alerts_are_told(commands: Commands, store: Store) -> None:
    store.save_rule(a_rule())
    preferences.save_of_rule(store, "r1", RulePreferences(loudness=Loudness.OFF))
    commands.answer("list", said())
    assert commands.answer("pause", said("1")).startswith("Paused") and store.settings_like("wish.")
    assert commands.answer("delete", said("1")).startswith("Deleted")
    assert store.settings_like("wish.") == {}


def test_a_long_list_comes_in_pages_with_numbers_that_go_on(commands: Commands, store: Store) -> None:
    for number in range(PAGE + 5):
        store.save_rule(a_rule(f"r{number:03d}"))
    first, second = commands.answer("list", said()), commands.answer("list", said("2"))
    assert first.splitlines()[-1] == "Page 1 of 2; /list 2 goes on"
    assert second.splitlines()[0].startswith(f"{PAGE + 1}. ")
    assert "expected 1 to 2" in commands.answer("list", said("3"))
    commands.answer("pause", said(str(PAGE + 2)))
    paused = store.rule(f"r{PAGE + 1:03d}")
    assert paused is not None
    assert paused.state is RuleState.PAUSED


def test_the_second_page_goes_on_with_the_numbers_of_the_first(commands: Commands, store: Store) -> None:
    for number in range(PAGE + 2):
        store.save_rule(a_rule(f"r{number:03d}"))
    commands.answer("list", said())
    store.save_rule(a_rule("a"))
    last = store.rule(f"r{PAGE:03d}")
    assert last is not None
    store.save_rule(last.model_copy(update={"state": RuleState.DELETED}))
    assert commands.answer("list", said("2")).splitlines()[:2] == [
        f"{PAGE + 1}. deleted",
        f"{PAGE + 2}. <code>NSE:INFY day 1%</code> – active",
    ]


def test_another_rule_by_a_message_of_the_same_number_is_another_rule(commands: Commands, store: Store) -> None:
    commands.answer("add", said("NSE:INFY day 4%"))
    assert commands.answer("add", said("NSE:INFY day 5%")).startswith("Added as number 2")
    commands.answer("delete", said("1"))
    assert commands.answer("add", said("NSE:INFY day 4%")).startswith("Added as number 3")
    assert sorted(rule.percent_e2 for rule in store.rules_of("u1")) == [400, 500]


def test_numbers_of_one_user_do_not_reach_anothers_rules(commands: Commands, store: Store) -> None:
    rule = store.save_rule(a_rule())
    commands.answer("list", said())
    assert "was deleted" in commands.answer("delete", said("1", user="u2"))
    assert store.rule("r1") == rule


def test_why_tells_what_became_of_each_message(commands: Commands, store: Store) -> None:
    alert = Alert(id="r1-1", rule="r1", user="u1", token=1, symbol="NSE:<b>M&M", kind="day", direction="down",
                  price_e4=9_800_000, reference_e4=10_000_000, percent_e2=200, window_ms=0, time_ms=1)  # fmt: skip
    store.record_alert(alert)
    fields = {
        "alert": alert.id,
        "user": "u1",
        "queued_ms": 1,
        "updated_ms": 1,
        "id": "d1",
        "channel": "c",
        "channel_kind": "whatsapp",
    }
    store.save_delivery(Delivery.model_validate(fields | {"state": "suppressed", "reason": "you muted <i>"}))
    head, fate = commands.answer("why", said()).splitlines()
    assert "▼ <b>NSE:&lt;b&gt;M&amp;M</b> 980.00 · down 2.00 %" in head
    assert fate.startswith("WhatsApp held back")
    assert fate.endswith(": you muted &lt;i&gt;")


def test_an_alert_of_no_channel_says_so(commands: Commands, store: Store) -> None:
    store.record_alert(
        Alert(
            id="r1-1",
            rule="r1",
            user="u1",
            token=1,
            symbol="NSE:X",
            kind="day",
            direction="up",
            price_e4=2,
            reference_e4=1,
            percent_e2=200,
            window_ms=0,
            time_ms=1,
        )
    )
    assert commands.answer("why", said("1")).endswith("no channel was on")


@given(st.text(max_size=80))
def test_every_text_is_answered_with_html_that_has_no_tag_of_the_writers(words: str) -> None:
    for answer in (Commands(None, None).answer(f"<i>{words}", said()),):  # type: ignore[arg-type]
        assert "<i>" not in answer


@given(st.sampled_from(Verb), st.integers(1, 2**32 - 1), st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_a_press_fits_into_a_button_and_is_read_back(verb: Verb, token: int, rule: str) -> None:
    press = Press.of(verb, token, f"{rule}_{token}")
    assert len(press.data.encode()) <= 64
    assert Press.read(press.data) == press


@pytest.mark.parametrize("data", ["", "snooze", "snooze:1:short", "sell:1:aaaaaaaaaaaaaaaa", "snooze:١:aaaaaaaaaaaaaaaa"])
def test_what_is_no_press_is_none(data: str) -> None:
    assert Press.read(data) is None


def test_the_rule_of_an_alert_is_found_among_its_owners_also_on_a_watchlist(store: Store) -> None:
    plain, listed = store.save_rule(a_rule("r1")), store.save_rule(a_rule("w1", token=0, symbol="My watchlist"))
    for number in range(250):
        store.save_rule(a_rule(f"x{number}"))
    assert find_rule(store, "u1", Press.of(Verb.PAUSE, INFY.token, "r1")) == plain
    assert find_rule(store, "u1", Press.of(Verb.PAUSE, INFY.token, listed.on(INFY).id)) == listed
    assert find_rule(store, "u1", Press.of(Verb.PAUSE, 1, listed.on(INFY).id)) is None
    assert find_rule(store, "u2", Press.of(Verb.PAUSE, INFY.token, "r1")) is None


def test_in_a_group_there_is_only_the_chart() -> None:
    assert under(Press.of(Verb.SNOOZE, INFY.token, "r1"), "NSE:INFY", is_private=False) == [
        Button("Chart", url="https://kite.zerodha.com/markets/ext/chart/web/tvc/NSE/INFY/408065")
    ]


def test_charts_of_indices_and_of_odd_names() -> None:
    assert chart_url("NSE:NIFTY 50", 256265).endswith("/INDICES/NIFTY%2050/256265")
    assert chart_url("NSE:M&M", 519937).endswith("/NSE/M%26M/519937")
