import pytest

from stormalert.errors import InputError
from stormalert.model import Alert, Direction, Kind
from stormalert.redis.streams import read_alert, written_ms

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


def test_an_entry_is_the_alert_that_the_engine_wrote() -> None:
    assert read_alert(ENTRY) == Alert(
        id="rule1-1",
        rule="rule1",
        user="user1",
        token=408065,
        symbol="NSE:INFY",
        kind=Kind.ROLLING,
        direction=Direction.UP,
        price_e4=13_845_500,
        reference_e4=13_557_000,
        percent_e2=200,
        window_ms=300_000,
        time_ms=1_700_000_000_123,
    )


def test_a_trailing_entry_has_no_window() -> None:
    found = read_alert(ENTRY | {"kind": "trailing", "window": ""})
    assert (found.kind, found.window_ms) == (Kind.TRAILING, 0)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("price", "abc", "price must be a decimal number, was 'abc'"),
        ("window", "soon", "duration must be a whole number and a unit"),
        ("kind", "sideways", "kind: "),
        ("time", "noon", "time_ms: "),
    ],
)
def test_a_malformed_entry_is_refused_in_a_sentence(field: str, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refusal:
        read_alert(ENTRY | {field: text})
    assert "\n" not in str(refusal.value)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(InputError, match="an alert entry lacks the field price"):
        read_alert({name: text for name, text in ENTRY.items() if name != "price"})


def test_an_entry_fired_when_the_server_wrote_it() -> None:
    assert written_ms("1700000000456-3") == 1_700_000_000_456
