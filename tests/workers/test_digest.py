from stormalert.model import Alert, ChannelKind, Delivery, DeliveryState
from stormalert.units import HOUR_MS, MINUTE_MS
from workers import digest
from workers.digest import Why

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


def text(each: list[tuple[Delivery, Alert]], why: Why = Why.HOUR) -> str:
    return digest.message("d1", each, why, now_ms=NOW_MS, useful_ms=HOUR_MS).text


def test_the_newest_come_first_and_each_instrument_once_with_its_newest_price(alert: Alert) -> None:
    fired = told(alert, ("NSE:A", 13_900_000, 3_000), ("NSE:B", 13_900_000, 2_000), ("NSE:A", 14_000_000, 1_000))
    lines = text(fired).splitlines()
    assert lines[0].strip() == "3 more alerts in the last minutes"
    assert [line.split()[1:3] for line in lines[1:]] == [["NSE:A", "1,400.00"], ["NSE:B", "1,390.00"]]
    assert lines[1].endswith("· 2 times")


def test_what_is_too_much_to_list_is_named(alert: Alert) -> None:
    fired = told(alert, *((f"NSE:S{number}", 13_900_000, number) for number in range(digest.MOST_LINES + 40)))
    *lines, last = text(fired).splitlines()
    assert len(lines) == 1 + digest.MOST_LINES
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
    assert digest.message_id("s", fired) == digest.message_id("s", fired[::-1])
    assert digest.message_id("s", fired) != digest.message_id("s", fired[:1])


def test_a_summary_is_due_at_the_end_of_its_minutes_and_says_why_it_is() -> None:
    assert [digest.due_after(now_ms, 5_000) for now_ms in (10_000, 14_999, 15_000)] == [15_000, 15_000, 20_000]
    for why in Why:
        assert digest.why_of(digest.digest_id(why, "c-1", 15_000)) is why


def test_of_a_burst_the_top_movers_come_first(alert: Alert) -> None:
    moves = (("NSE:A", 13_600_000, 1_000), ("NSE:B", 12_557_000, 3_000), ("NSE:C", 14_000_000, 2_000))
    lines = text(told(alert, *moves), Why.BURST).splitlines()
    assert lines[0].strip() == "3 alerts at once"
    assert [line.split()[1] for line in lines[1:]] == ["NSE:B", "NSE:C", "NSE:A"]


def test_after_quiet_hours_each_line_says_when_it_was_and_none_that_it_is_old(alert: Alert) -> None:
    lines = text(told(alert, ("NSE:A", 13_900_000, 8 * HOUR_MS), ("NSE:B", 13_900_000, 0)), Why.QUIET).splitlines()
    assert lines[0].strip() == "2 alerts in your quiet hours"
    assert [line.rpartition(" · ")[2] for line in lines[1:]] == ["03:43 IST", "14 Nov 19:43 IST"]
