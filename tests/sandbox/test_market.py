import itertools

import numpy as np
import pytest

from sandbox.instruments import listed
from sandbox.market import GeneratedMarket, day_of, day_start_s

NOON_S = 1_795_415_400.0


@pytest.fixture(scope="module")
def market() -> GeneratedMarket:
    return GeneratedMarket(listed(500, with_currencies=True), seed=1)


@pytest.fixture
def rows(market: GeneratedMarket) -> np.ndarray:
    return np.arange(len(market))


def test_the_same_seed_gives_the_same_prices_in_any_order(market: GeneratedMarket, rows: np.ndarray) -> None:
    again = GeneratedMarket(listed(500, with_currencies=True), seed=1)
    later = again.price_units(rows, NOON_S + 60)
    assert (again.price_units(rows, NOON_S) == market.price_units(rows, NOON_S)).all()
    assert (market.price_units(rows, NOON_S + 60) == later).all()


def test_another_seed_gives_another_market(market: GeneratedMarket, rows: np.ndarray) -> None:
    other = GeneratedMarket(listed(500, with_currencies=True), seed=2)
    assert (other.price_units(rows, NOON_S) != market.price_units(rows, NOON_S)).mean() > 0.9


def test_one_moment_for_all_equals_a_moment_for_each(market: GeneratedMarket, rows: np.ndarray) -> None:
    each = NOON_S + np.arange(len(rows))
    alone = [market.price_units(rows[[row]], float(each[row]))[0] for row in rows]
    assert market.price_units(rows, each).tolist() == alone


def test_prices_are_whole_ticks_near_their_base(market: GeneratedMarket, rows: np.ndarray) -> None:
    prices = market.price_units(rows, NOON_S)
    assert (prices % market.tick_units == 0).all()
    base = np.array([instrument.base * instrument.divisor for instrument in listed(500, with_currencies=True)])
    assert (np.abs(np.log(prices / base)) < 0.8).all()


def test_among_twenty_stocks_one_moves_three_tenths_of_a_percent_in_most_minutes(market: GeneratedMarket) -> None:
    stocks = np.arange(2, 22)
    moved = []
    for minute in range(30):
        path = np.array([market.price_units(stocks, NOON_S + minute * 977 + second) for second in range(60)])
        up = path >= np.minimum.accumulate(path) * 1.003
        down = path <= np.maximum.accumulate(path) * 0.997
        moved.append((up | down).any())
    assert np.mean(moved) > 0.8


def test_volume_never_falls_within_a_day_and_starts_over_at_midnight(market: GeneratedMarket) -> None:
    midnight_s = day_start_s(day_of(NOON_S))
    row = np.full(24 * 60, 5)
    volume = market.volume(row, midnight_s + 60.0 * np.arange(24 * 60))
    assert (np.diff(volume) >= 0).all()
    assert volume[0] < volume[-1] / 100


def test_candles_join_and_hold_the_prices_of_the_market(market: GeneratedMarket) -> None:
    candles = list(market.candles(5, range(int(NOON_S), int(NOON_S) + 600, 60), int(NOON_S) + 3600))
    assert [candle.start_s for candle in candles] == [int(NOON_S) + 60 * minute for minute in range(10)]
    assert all(before.close == after.open for before, after in itertools.pairwise(candles))
    assert all(candle.low <= min(candle.open, candle.close) for candle in candles)
    assert all(candle.high >= max(candle.open, candle.close) for candle in candles)
    assert candles[3].open == market.price_units(np.array([5]), NOON_S + 180)[0]


def test_the_candle_of_this_minute_ends_now(market: GeneratedMarket) -> None:
    (candle,) = market.candles(5, range(int(NOON_S), int(NOON_S) + 60, 60), int(NOON_S) + 20)
    assert candle.close == market.price_units(np.array([5]), NOON_S + 20)[0]


def test_a_stock_costs_the_same_at_both_exchanges_and_its_future_follows() -> None:
    instruments = listed(300, segments=("nse", "bse", "nfo"))
    market, places = GeneratedMarket(instruments, seed=1), {it.key: row for row, it in enumerate(instruments)}
    rows = np.array([places[key] for key in ("NSE:RELIANCE", "BSE:RELIANCE", "NFO:RELIANCE26DECFUT")])
    for moment_s in (NOON_S, NOON_S + 600):
        at_nse, at_bse, future = market.price_units(rows, moment_s).tolist()
        assert at_nse == at_bse
        assert future == pytest.approx(at_nse * 1.005, rel=0.001)
