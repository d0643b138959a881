from stormalert.model import Alert, ChannelKind, Delivery, DeliveryState
from stormalert.units import HOUR_MS, MINUTE_MS
from workers import summary

NOW_MS = 1_700_000_000_123


def told(alert: Alert, *alerts: tuple[str, int, int]) -> list[tuple[Delivery, Alert]]:
    """Of symbols, prices and how long ago each fired."""
    found = []
    for number, (symbol, price_e4, age_ms) in enumerate(alerts):
        time_ms = NOW_MS - age_ms
        changes = {"id": f"rule{number}-1", "symbol": symbol, "price_e4": price_e4, "time_ms": time_ms}
        fired = alert.model_copy(update=changes)
        delivery = Delivery(id=f"{fired.id}-c", alert=fired.id, user="u", channel="c", channel_kind=ChannelKind.EMAIL,
                            state=DeliveryState.QUEUED, queued_ms=time_ms, updated_ms=time_ms)  # fmt: skip
        found.append((delivery, fired))
    return found


def text(each: list[tuple[Delivery, Alert]]) -> str:
    return summary.message("d1", each, now_ms=NOW_MS, useful_ms=HOUR_MS).text


def test_the_newest_come_first_and_each_instrument_once_with_its_newest_price(alert: Alert) -> None:
    fired = told(alert, ("NSE:A", 13_900_000, 3_000), ("NSE:B", 13_900_000, 2_000), ("NSE:A", 14_000_000, 1_000))
    lines = text(fired).splitlines()
    assert lines[0].strip() == "3 more alerts in the last minutes"
    assert [line.split()[1:3] for line in lines[1:]] == [["NSE:A", "1,400.00"], ["NSE:B", "1,390.00"]]
    assert lines[1].endswith("· 2 times")


def test_what_is_too_much_to_list_is_named(alert: Alert) -> None:
    fired = told(alert, *((f"NSE:S{number}", 13_900_000, number) for number in range(summary.MOST_LINES + 40)))
    *lines, last = text(fired).splitlines()
    assert len(lines) == 1 + summary.MOST_LINES
    assert last.startswith("and 40 more: NSE:S12, NSE:S13, ")
    assert last.endswith(", …")
    assert len(text(fired)) < 1600


def test_an_alert_that_is_no_news_any_more_says_so(alert: Alert) -> None:
    fired = told(alert, ("NSE:A", 13_900_000, 2 * HOUR_MS), ("NSE:B", 13_900_000, MINUTE_MS))
    lines = text(fired).splitlines()
    assert lines[2].endswith("· old: fired 2 h ago")
    assert "old" not in lines[1]


def test_a_summary_is_known_by_its_alerts_in_any_order(alert: Alert) -> None:
    fired = told(alert, ("NSE:A", 1, 0), ("NSE:B", 1, 0))
    assert summary.message_id("s", fired) == summary.message_id("s", fired[::-1])
    assert summary.message_id("s", fired) != summary.message_id("s", fired[:1])


def test_a_summary_is_due_when_its_minutes_are_over() -> None:
    name = summary.summary_id("c-1", 10_000, 5_000)
    assert not summary.is_due(name, 14_999, 5_000)
    assert summary.is_due(name, 15_000, 5_000)
