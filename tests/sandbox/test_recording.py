from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.recording import INDIA, RecordingError, read_ticks


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def writer(text: str) -> Path:
        path = tmp_path / "recording.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=INDIA).timestamp()) * 1000


def test_a_rising_minute_becomes_open_low_high_close_from_its_beginning(write: Callable[[str], Path]) -> None:
    path = write("NIFTY,20220601,09:16,16602.20,16614.35,16561.95,16613.90,0,0\n")
    assert list(read_ticks(path)) == [
        (at("2022-06-01 09:15:00"), "NIFTY", 1660220),
        (at("2022-06-01 09:15:15"), "NIFTY", 1656195),
        (at("2022-06-01 09:15:30"), "NIFTY", 1661435),
        (at("2022-06-01 09:15:45"), "NIFTY", 1661390),
    ]


def test_a_falling_minute_has_its_high_before_its_low(write: Callable[[str], Path]) -> None:
    path = write("X,20220601,09:16,100,103,98,99.5,0,0\n")
    assert [price for _, _, price in read_ticks(path)] == [10000, 10300, 9800, 9950]


def test_a_minute_without_movement_is_four_ticks_too(write: Callable[[str], Path]) -> None:
    assert len(list(read_ticks(write("X,20220601,09:08,100,100,100,100,0,0\n")))) == 4


def test_symbols_of_one_minute_are_merged_by_time(write: Callable[[str], Path]) -> None:
    path = write("B,20220601,09:16,1,1,1,1,0,0\nA,20220601,09:16,2,2,2,2,0,0\n")
    assert [symbol for _, symbol, _ in read_ticks(path)] == ["B", "A"] * 4


def test_a_tick_file_keeps_its_order_and_milliseconds(write: Callable[[str], Path]) -> None:
    path = write("time,symbol,price\n1700000000123,INFY,1384.55\n1700000000001,INFY,1384.5\n")
    assert list(read_ticks(path)) == [(1700000000123, "INFY", 138455), (1700000000001, "INFY", 138450)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the file is empty"),
        ("time,symbol,price\n12,INFY\n", ":2: expected time,symbol,price, was '12,INFY'"),
        ("time,symbol,price\nnow,INFY,1\n", ":2: time must be epoch milliseconds until the year 2106, was 'now'"),
        ("time,symbol,price\n1,INFY,0\n", "price must be rupees in whole paise, above 0 and at most 21474836.47, was '0'"),
        ("time,symbol,price\n1,INFY,1.005\n", "above 0 and at most 21474836.47, was '1.005'"),
        ("time,symbol,price\n1,INFY,NaN\n", "above 0 and at most 21474836.47, was 'NaN'"),
        ("time,symbol,price\n1,INFY,21474836.48\n", "at most 21474836.47, was '21474836.48'"),
        ("time,symbol,price\n4294967296000,INFY,1\n", "until the year 2106, was '4294967296000'"),
        ("X,21070601,09:16,1,1,1,1,0,0\n", "expected a day between 1970 and 2106, was '21070601'"),
        ("X,20220601\n", ":1: expected symbol,date,time,open,high,low,close,volume,oi"),
        ("X,20220641,09:16,1,1,1,1,0,0\n", "expected YYYYMMDD,HH:MM, was '20220641,09:16'"),
        ("X,20220601,09:16,1,2,1.5,1.7,0,0\n", "must lie between low and high"),
    ],
)
def test_a_bad_line_is_named_with_its_reason(write: Callable[[str], Path], text: str, reason: str) -> None:
    with pytest.raises(RecordingError) as refused:
        list(read_ticks(write(text)))
    assert reason in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        list(read_ticks(tmp_path / "nowhere.csv"))
