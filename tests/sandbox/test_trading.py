from functools import cache

import numpy as np
import pytest

from sandbox.board import Board
from sandbox.instruments import listed
from sandbox.market import GeneratedMarket, day_of, day_start_s
from sandbox.trading import Trading

NOON_S = 1_795_415_400.0


@cache
def traded(seconds: float, rate: float = 1000.0, turn_s: float = 0.02) -> tuple[Board, int]:
    board = Board(listed(300))
    trading = Trading(board, GeneratedMarket(board.instruments, seed=1), rate, 1, NOON_S)
    turns = np.arange(0, seconds, turn_s) + turn_s
    return board, sum(trading.turn(NOON_S + float(after_s)).size for after_s in turns)


def test_quotes_stay_consistent() -> None:
    quotes = traded(5.0)[0].quotes
    assert (quotes["low"] <= quotes["last"]).all()
    assert (quotes["last"] <= quotes["high"]).all()
    assert (quotes["low"] <= quotes["open"]).all()
    assert (quotes["open"] <= quotes["high"]).all()
    assert (quotes["average"] >= quotes["low"]).all()
    assert (quotes["average"] <= quotes["high"]).all()
    prices = quotes["depth"]["price"].astype(np.int64)
    assert (np.diff(prices[:, :5]) < 0).all()
    assert (np.diff(prices[:, 5:]) > 0).all()
    assert (prices[:, 0] < prices[:, 5]).all()


@pytest.mark.parametrize("rate", [50.0, 1000.0, 6000.0])
def test_so_many_packets_a_second_as_asked_for(rate: float) -> None:
    assert traded(5.0, rate)[1] == pytest.approx(5 * rate, rel=0.1)


def test_the_cached_quote_of_an_instrument_that_did_not_trade_is_old() -> None:
    quotes = traded(0.0)[0].quotes
    assert (quotes["exchange_s"] < NOON_S - 1).all()


def test_a_new_day_opens_with_a_gap_and_yesterdays_last_price_as_close() -> None:
    midnight_s = day_start_s(day_of(NOON_S) + 1)
    board = Board(listed(50))
    market = GeneratedMarket(board.instruments, seed=1)
    trading = Trading(board, market, 1000.0, 1, midnight_s - 60)
    trading.turn(midnight_s + 1.0)
    every = np.arange(len(market))
    assert (board.quotes["close"] == market.price_units(every, midnight_s - 1.0)).all()
    assert (board.quotes["open"] == market.price_units(every, float(midnight_s))).all()
    assert (board.quotes["open"] != board.quotes["close"]).mean() > 0.9
