import pytest

from dashboard.backtest.recording import Price, bars_of, prices_of, read_recording
from stormalert.errors import InputError
from stormalert.market.bars import Bar

# 2022-06-01 09:15 in India.
NINE_FIFTEEN_MS = 1_654_055_100_000


def refusal(*lines: str) -> str:
    with pytest.raises(InputError) as caught:
        list(read_recording(lines, "f.csv"))
    return str(caught.value)


def test_a_minute_is_named_by_its_end_and_becomes_four_prices() -> None:
    lines = ["nifty,20220601,09:16,16602.20,16614.35,16561.95,16613.90,0,0", "BSE:SBIN,20220601,09:17,450,451,449,449.05"]
    found = list(read_recording(lines, "f.csv"))
    assert [(it.time_ms - NINE_FIFTEEN_MS, it.symbol, it.price_e4) for it in found] == [
        (0, "NSE:NIFTY 50", 166_022_000),
        (15_000, "NSE:NIFTY 50", 165_619_500),
        (30_000, "NSE:NIFTY 50", 166_143_500),
        (45_000, "NSE:NIFTY 50", 166_139_000),
        (60_000, "BSE:SBIN", 4_500_000),
        (75_000, "BSE:SBIN", 4_510_000),
        (90_000, "BSE:SBIN", 4_490_000),
        (105_000, "BSE:SBIN", 4_490_500),
    ]


def test_ticks_are_taken_as_they_are() -> None:
    lines = ["time,symbol,price", "", "2000,NSE:INFY,1384.55", "1000,M&M,0.0525"]
    assert list(read_recording(lines, "f.csv")) == [Price(2000, "NSE:INFY", 13_845_500), Price(1000, "NSE:M&M", 525)]


def test_minutes_made_of_minutes_are_the_same() -> None:
    bars = [Bar(NINE_FIFTEEN_MS, 100, 120, 90, 95), Bar(NINE_FIFTEEN_MS + 120_000, 95, 95, 80, 95)]
    assert bars_of((it.time_ms, it.price_e4) for it in prices_of("NSE:INFY", bars)) == bars


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1000,INFY", "expected time,symbol,price, was '1000,INFY'"),
        ("noon,INFY,100", "time must be epoch milliseconds, was 'noon'"),
        ("1000,=cmd(),100", "the symbol must be such as INFY or NSE:INFY, was '=cmd()'"),
        ("1000,INFY,-1", "price must be above 0 and at most 8000000 rupees, was '-1'"),
    ],
)
def test_a_bad_tick_is_refused_with_line_and_reason(line: str, reason: str) -> None:
    assert refusal("time,symbol,price", "1,INFY,1", line) == f"f.csv, line 3: {reason}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("INFY,20220601", "expected symbol,YYYYMMDD,HH:MM,open,high,low,close or first the header time,symbol,price, was"),
        ("INFY,20220631,09:16,1,1,1,1", "the minute must be YYYYMMDD,HH:MM, was '20220631,09:16'"),
        ("INFY,20220601,09:16,1,2,1.5,1", "open and close must lie between low and high, was '1,2,1.5,1'"),
        ("INFY,20220601,09:16,1,x,1,1", "price must be a decimal number, was 'x'"),
    ],
)
def test_a_bad_minute_is_refused_with_line_and_reason(line: str, reason: str) -> None:
    assert refusal("INFY,20220601,09:15,1,1,1,1", line).startswith(f"f.csv, line 2: {reason}")


def test_all_that_is_wrong_is_told_at_once_up_to_a_bound() -> None:
    told = refusal("time,symbol,price", *["x,INFY,1"] * 20).splitlines()
    assert told[0].startswith("f.csv, line 2:") and len(told) == 9 and told[-1] == "further lines were not read"
    assert refusal() == "f.csv: the file is empty"
    assert refusal('a,"b').startswith("f.csv, line 1: not a CSV file in UTF-8") or refusal('a,"b').startswith("f.csv, line 2")
