import pytest

from stormalert.model import Alert, Direction, Kind
from stormalert.units import HOUR_MS, MINUTE_MS, SECOND_MS
from workers import render

NOON_MS = 1_700_000_000_123


def text(alert: Alert, age_ms: int = 0, now_ms: int = NOON_MS) -> str:
    return render.message("d1", alert, now_ms=now_ms, age_ms=age_ms, useful_ms=HOUR_MS).text


def test_a_rolling_alert_says_price_move_reference_window_and_time(alert: Alert) -> None:
    assert text(alert) == "▲ NSE:INFY 1,384.55 · up 2.13 % from 1,355.70 in 5 min · 03:43:20 IST"


def test_a_trailing_alert_says_what_it_was_measured_from(alert: Alert) -> None:
    falls = {"kind": Kind.TRAILING, "direction": Direction.DOWN, "window_ms": 0, "reference_e4": 14_000_000}
    assert text(alert.model_copy(update=falls)) == "▼ NSE:INFY 1,384.55 · down 1.10 % from its peak 1,400.00 · 03:43:20 IST"
    rises = {"kind": Kind.TRAILING, "direction": Direction.UP, "window_ms": 0}
    assert "up 2.13 % from its low 1,355.70" in text(alert.model_copy(update=rises))


def test_a_late_alert_says_that_it_is_late(alert: Alert) -> None:
    assert "late" not in text(alert, age_ms=2 * MINUTE_MS)
    assert text(alert, age_ms=13 * MINUTE_MS + 5 * SECOND_MS).endswith("· late: fired 13 min ago")


def test_an_alert_of_another_day_says_which(alert: Alert) -> None:
    assert text(alert, now_ms=NOON_MS + 24 * HOUR_MS).endswith("· 15 Nov 03:43:20 IST")


def test_the_message_is_useful_for_what_is_left_of_its_life(alert: Alert) -> None:
    message = render.message("d1", alert, now_ms=NOON_MS, age_ms=10 * MINUTE_MS, useful_ms=HOUR_MS)
    assert message.useful_s == 3000


def test_ones_own_template_gives_headline_and_details(alert: Alert) -> None:
    template = "{arrow} {symbol}: {price}\nvon {reference}\num {time}"
    message = render.message("d1", alert, now_ms=NOON_MS, age_ms=0, useful_ms=HOUR_MS, template=template)
    assert (message.headline, message.details) == ("▲ NSE:INFY: 1,384.55", "von 1,355.70\num 03:43:20")
    assert message.text == "▲ NSE:INFY: 1,384.55\nvon 1,355.70\num 03:43:20"


def test_a_late_alert_says_so_in_ones_own_words_too(alert: Alert) -> None:
    message = render.message("d1", alert, now_ms=NOON_MS, age_ms=13 * MINUTE_MS, useful_ms=HOUR_MS, template="{symbol}")
    assert message.text == "NSE:INFY\nlate: fired 13 min ago"


def test_a_template_that_leaves_nothing_gives_the_usual_text(alert: Alert) -> None:
    trailing = alert.model_copy(update={"kind": Kind.TRAILING, "window_ms": 0})
    message = render.message("d1", trailing, now_ms=NOON_MS, age_ms=0, useful_ms=HOUR_MS, template="{window}")
    assert message.text.startswith("▲ NSE:INFY 1,384.55 · up 2.13 % from its low")


@pytest.mark.parametrize(
    ("text", "most", "kept"),
    [
        ("short", 5, "short"),
        ("three words", 10, "three…"),
        ("x" * 10, 5, "xxxx…"),
        # A phone counts this sign as two, and half of it would be none.
        ("📈" * 5, 6, "📈📈…"),
        ("📈" * 3, 6, "📈📈📈"),
    ],
)
def test_a_text_is_cut_between_words_and_never_within_a_sign(text: str, most: int, kept: str) -> None:
    assert render.cut(text, most) == kept
    assert len(kept.encode("utf-16-le")) <= 2 * most
