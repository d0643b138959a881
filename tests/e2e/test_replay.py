"""`make demo-replay`: the alerts that reach people are exactly those of the definition."""

import re
from collections.abc import Iterator

import pytest

from ops.launch.demo import replay_rules
from stormalert.model import ChannelKind, Tick
from tests.e2e import accounts, recordings
from tests.e2e.accounts import Accounts
from tests.e2e.product import Product, product
from tests.evaluator.oracle import Expected, expected_alerts

pytestmark = pytest.mark.e2e

# What the recording calls them, what the exchange lists, and a price in paise to begin at.
SYMBOLS = {"NIFTY": ("NSE:NIFTY 50", 2_214_735), "RELIANCE": ("NSE:RELIANCE", 298_310)}
MARKET = list(recordings.market({name: paise for name, (_, paise) in SYMBOLS.items()}, days=4, minutes_a_day=120, seed=11))
OVER_WITHIN_S = 400


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """After the whole recording was played."""
    directory = tmp_path_factory.mktemp("replay")
    file = directory / "minutes.csv"
    recordings.write(file, MARKET)
    with product(directory) as started:
        started.start("demo-replay", str(file))
        started.wait_for("recording  is over", OVER_WITHIN_S)
        yield started


@pytest.fixture(scope="module")
def drawn_up(replay: Product) -> Accounts:
    return accounts.draw_up(replay)


@pytest.fixture(scope="module")
def wanted(replay: Product) -> list[Expected]:
    store = replay.store()
    user = store.user_by_name("demo")
    listed = {name: store.instrument_by_symbol(symbol) for name, (symbol, _) in SYMBOLS.items()}
    store.close()
    instruments = {name: instrument for name, instrument in listed.items() if instrument}
    assert user is not None
    assert set(instruments) == set(SYMBOLS)
    ticks = [Tick(instruments[name].token, paise * 100, time_ms) for time_ms, name, paise in recordings.ticks(MARKET)]
    return list(expected_alerts(ticks, replay_rules(user, list(instruments.values()))))


def test_the_alerts_are_exactly_those_of_the_definition(drawn_up: Accounts, wanted: list[Expected]) -> None:
    assert len(wanted) > 50
    assert {each.direction for each in wanted} == {"up", "down"}
    assert sorted(accounts.as_expected(alert) for alert in drawn_up.alerts) == sorted(wanted)


def test_each_alert_is_in_the_outbox_once_a_channel(drawn_up: Accounts, wanted: list[Expected]) -> None:
    assert drawn_up.missing == []
    assert drawn_up.unsent == []
    assert not drawn_up.repeated
    assert drawn_up.messages.total() == len(wanted) * len(ChannelKind)


def test_the_messages_say_what_happened(replay: Product, drawn_up: Accounts) -> None:
    told = sorted(headline(message["text"]) for message in accounts.messages_of_alerts(replay))
    happened = [(alert.symbol, alert.price_e4 / 10_000, str(alert.direction)) for alert in drawn_up.alerts]
    assert told == sorted(happened * len(ChannelKind))


def test_the_last_word_counts_the_alerts(replay: Product, wanted: list[Expected]) -> None:
    assert f"✓ recording  began: {4 * len(MARKET)} ticks\n" in replay.output
    assert f"✓ recording  is over: {len(wanted)} alerts, all delivered" in replay.output


def headline(text: str) -> tuple[str, float, str]:
    found = re.match(r"[▲▼] (NSE:[A-Z0-9 ]+) ([\d,]+\.\d\d) · (up|down) ", text)
    assert found, text
    return found[1], float(found[2].replace(",", "")), found[3]
