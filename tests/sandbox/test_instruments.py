import csv
import io
from collections import Counter

from sandbox.instruments import COLUMNS, LISTED_SEGMENTS, as_csv, listed, trading_symbol

KNOWN = {
    "NIFTY 50": 256265,
    "NIFTY BANK": 260105,
    "INFY": 408065,
    "TCS": 2953217,
    "RELIANCE": 738561,
    "HDFCBANK": 341249,
    "SBIN": 779521,
    "ICICIBANK": 1270529,
}


def test_well_known_instruments_have_their_real_tokens() -> None:
    tokens = {instrument.symbol: instrument.token for instrument in listed(500)}
    assert {symbol: tokens[symbol] for symbol in KNOWN} == KNOWN


def test_nine_thousand_stocks_have_names_and_tokens_of_their_own() -> None:
    instruments = listed(9000)
    assert len(instruments) == 9002
    assert len({instrument.token for instrument in instruments}) == 9002
    assert len({instrument.key for instrument in instruments}) == 9002
    assert all(instrument.token & 0xFF == (9 if instrument.is_index else 1) for instrument in instruments)


def test_nine_thousand_of_all_segments_have_names_and_tokens_of_their_own() -> None:
    instruments = listed(9000, segments=LISTED_SEGMENTS)
    assert len(instruments) == len({it.token for it in instruments}) == len({it.key for it in instruments}) == 9003
    segments = Counter(it.token & 0xFF for it in instruments)
    assert set(segments) == {1, 2, 3, 4, 6, 9}
    assert min(segments[segment] for segment in (1, 2, 4)) > 1000
    known = {it.token: it for it in instruments}
    assert all(
        it.name.split()[-1] == known[it.follows].name.split()[-1] for it in instruments if it.exchange == "BSE" and it.follows
    )


def test_a_future_expires_on_the_last_tuesday_of_its_month() -> None:
    futures = [it for it in listed(9, segments=("nse", "bse", "nfo")) if it.kind == "FUT"]
    assert [(it.symbol, it.expiry) for it in futures] == [
        ("RELIANCE26DECFUT", "2026-12-29"),
        ("RELIANCE27JANFUT", "2027-01-26"),
        ("RELIANCE27FEBFUT", "2027-02-23"),
    ]


def test_what_a_recording_names_is_listed_once() -> None:
    also = ["NIFTY", "INFY", "NSE:TCS", "UNHEARD", "UNHEARD"]
    assert [instrument.symbol for instrument in listed(1, also=also)] == [
        "NIFTY 50",
        "NIFTY BANK",
        "RELIANCE",
        "INFY",
        "TCS",
        "UNHEARD",
    ]


def test_recordings_may_call_the_indices_by_their_short_names() -> None:
    assert [trading_symbol(name) for name in ("NIFTY", "BANKNIFTY", "NSE:INFY")] == ["NIFTY 50", "NIFTY BANK", "INFY"]


def test_the_list_has_kites_columns_and_no_blank_number() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(listed(500, with_currencies=True)))))
    assert list(rows[0]) == COLUMNS
    assert all(float(row["strike"]) == float(row["last_price"]) == 0 for row in rows)
    assert rows[0]["segment"] == "INDICES"
    assert rows[-1]["exchange"] == "BCD"


def test_blank_numbers_come_by_request() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(listed(500), with_blanks=True))))
    assert sum(row["strike"] == "" for row in rows) == 5
