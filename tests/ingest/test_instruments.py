import pytest

from ingest.instruments import auctioned_tokens, read_dump, underlying_names
from stormalert.errors import InputError

HEADER = (
    "instrument_token exchange_token tradingsymbol name last_price expiry strike"
    " tick_size lot_size instrument_type segment exchange\n"
).replace(" ", ",")
STOCKS = HEADER + (
    "408065,1594,INFY,INFOSYS,0.0,,0.0,0.05,1,EQ,NSE,NSE\n"
    "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE\n"
    "112129,438,BHEL,,,,,,,EQ,NSE,NSE\n"
    ",,,,,,,,,,,\n"
)


def test_reads_stocks_and_indices_and_passes_over_empty_rows() -> None:
    rows = [(row.token, row.symbol, row.name, row.segment, row.tick_size_e4, row.lot_size) for row in read_dump(STOCKS)]
    assert rows == [
        (408065, "NSE:INFY", "INFOSYS", "NSE", 500, 1),
        (256265, "NSE:NIFTY 50", "NIFTY 50", "INDICES", 0, 0),
        (112129, "NSE:BHEL", "", "NSE", 0, 1),
    ]


def test_other_columns_are_refused_with_the_missing_ones() -> None:
    with pytest.raises(InputError, match="lacks the columns exchange, instrument_token"):
        list(read_dump("token,tradingsymbol,name,tick_size,lot_size,segment\n"))


def test_stocks_that_underlie_derivatives_are_found_by_their_symbol() -> None:
    names = underlying_names(HEADER + "1,1,INFY26DECFUT,INFY,0,2026-12-31,0,0.05,400,FUT,NFO-FUT,NFO\n")
    assert auctioned_tokens(read_dump(STOCKS), names) == {408065}


def test_rows_that_are_cut_or_out_of_range_are_passed_over() -> None:
    rows = "408065,1594\n99999999999,1,BIG,BIG,0,,0,0.05,1,EQ,NSE,NSE\n²,1,ODD,ODD,0,,0,0.05,1,EQ,NSE,NSE\n"
    assert [row.symbol for row in read_dump(HEADER + rows + "1,1,A,,,,,x,y,EQ,NSE,NSE\n")] == ["NSE:A"]
