import pytest

from stormalert.errors import InputError
from stormalert.model import Alert, Kind
from workers.entries import alert_of, fired_ms

ENTRY = {
    "alert": "rule1-1",
    "rule": "rule1",
    "user": "user1",
    "token": "408065",
    "symbol": "NSE:INFY",
    "kind": "rolling",
    "direction": "up",
    "price": "1384.55",
    "reference": "1355.70",
    "percent": "2.00",
    "window": "300s",
    "time": "1700000000123",
}


def test_an_entry_is_the_alert_that_the_engine_wrote(alert: Alert) -> None:
    assert alert_of(ENTRY) == alert


def test_a_trailing_entry_has_no_window() -> None:
    found = alert_of(ENTRY | {"kind": "trailing", "window": ""})
    assert (found.kind, found.window_ms) == (Kind.TRAILING, 0)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("price", "abc", "price must be a decimal number, was 'abc'"),
        ("window", "soon", "a duration is a whole number and a unit"),
        ("kind", "sideways", "kind: "),
        ("time", "noon", "time_ms: "),
    ],
)
def test_a_malformed_entry_is_refused_in_a_sentence(field: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        alert_of(ENTRY | {field: text})
    assert "\n" not in str(refusal.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InputError, match="an alert without the field price"):
        alert_of({name: text for name, text in ENTRY.items() if name != "price"})


def test_an_entry_fired_when_the_server_wrote_it() -> None:
    assert fired_ms("1700000000456-3") == 1_700_000_000_456
