"""Who trades when in the generated market, and what that does to the quotes on the board."""

import numpy as np

from sandbox.board import Board
from sandbox.market import DAY_S, GeneratedMarket, Rows, Units, day_of, day_start_s
from sandbox.packets import Quotes

INDEX_RATE = 2.0  # packets a second, as Kite sends them
# Of the packets of a stock this share shows a trade; the others only a change in the order book.
TRADE_SHARE = 0.8
# Prices looked at for the day's high and low so far, when the sandbox starts in the middle of a day.
DAY_SAMPLES = 400_000


class Trading:
    """Moves the board through time; owns the chance in it (order book, turns), while prices belong to the market."""

    def __init__(self, board: Board, market: GeneratedMarket, rate: float, seed: int, now_s: float) -> None:
        self._board, self._market = board, market
        self._random = np.random.default_rng(seed)
        self._rates = self._shared_out(rate)
        self._credits = self._random.random(len(market))
        self._turned_s = now_s
        self._all = np.arange(len(market))
        self._open_day(now_s)

    def turn(self, now_s: float) -> Rows:
        """Trade what is due since the last turn, and give the rows that changed."""
        if day_of(now_s) != self._day:
            self._open_day(now_s)
        self._credits += self._rates * min(max(now_s - self._turned_s, 0.0), 1.0)
        self._turned_s = now_s
        rows = np.flatnonzero(self._credits >= 1.0)
        # One packet an instrument and turn: what was missed in a late turn is made up in the following ones.
        self._credits[rows] = np.minimum(self._credits[rows] - 1.0, 5.0)
        if rows.size:
            self._trade(rows, now_s)
        return rows

    def _shared_out(self, rate: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Share the rate out: an index at its own, the first stocks of the list up to five times as much as the last."""
        is_index = np.array([instrument.is_index for instrument in self._board.instruments])
        weights = np.where(is_index, 0.0, np.linspace(2.5, 0.5, len(is_index)))
        left = max(rate - INDEX_RATE * is_index.sum(), 0.0)
        return np.where(is_index, min(INDEX_RATE, rate), left * weights / max(weights.sum(), 1.0))

    def _open_day(self, now_s: float) -> None:
        """Set the quotes as a day that began at midnight has left them by now."""
        self._day = day_of(now_s)
        start_s = day_start_s(self._day)
        quotes = self._board.quotes
        quotes["close"] = self._market.price_units(self._all, start_s - 1.0)
        quotes["open"] = low = high = self._market.price_units(self._all, float(start_s))
        samples = min(max(DAY_SAMPLES // len(self._all), 2), DAY_S // 60)
        for moment in np.linspace(start_s, now_s, samples):
            price = self._market.price_units(self._all, float(moment))
            low, high = np.minimum(low, price), np.maximum(high, price)
        quotes["low"], quotes["high"] = low, high
        quotes["last"] = price
        quotes["last_quantity"] = 1
        quotes["average"] = (low + high) // 2
        quotes["volume"] = self._market.volume(self._all, now_s)
        # What is cached was last traded a while ago, as on the real exchange.
        quotes["trade_s"] = quotes["exchange_s"] = int(now_s) - self._random.integers(2, 90, len(self._all))
        self._set_depth(quotes, self._all, price)

    def _trade(self, rows: Rows, now_s: float) -> None:
        quotes = self._board.quotes[rows]
        tick = self._market.tick_units[rows]
        hits_ask = self._random.integers(0, 2, rows.size)
        is_trade = self._random.random(rows.size) < TRADE_SHARE
        price = np.where(is_trade, self._market.price_units(rows, now_s) + hits_ask * tick, quotes["last"])
        quotes["last"] = price
        quotes["high"] = np.maximum(quotes["high"], price)
        quotes["low"] = np.minimum(quotes["low"], price)
        quotes["average"] = (quotes["high"].astype(np.int64) + quotes["low"] + quotes["open"] + price) // 4
        volume = np.where(is_trade, self._market.volume(rows, now_s), 0)
        traded = np.maximum(volume - quotes["volume"], 0)
        quotes["volume"] += traded.astype(np.uint32)
        quotes["last_quantity"] = np.where(traded > 0, np.minimum(traded, 500), quotes["last_quantity"])
        quotes["trade_s"] = np.where(is_trade, int(now_s), quotes["trade_s"])
        quotes["exchange_s"] = int(now_s)
        self._set_depth(quotes, rows, price - hits_ask * tick)
        self._board.quotes[rows] = quotes

    def _set_depth(self, quotes: Quotes, rows: Rows, bid: Units) -> None:
        """Lay five orders below and five above; the total is theirs and that of the orders behind them."""
        levels = np.arange(5)
        tick = self._market.tick_units[rows][:, None]
        depth = quotes["depth"]
        depth["price"][:, :5] = np.maximum(bid[:, None] - levels * tick, 0)
        depth["price"][:, 5:] = bid[:, None] + (levels + 1) * tick
        depth["quantity"] = self._random.integers(1, 900, depth.shape)
        depth["orders"] = self._random.integers(1, 12, depth.shape)
        quotes["buy_quantity"] = depth["quantity"][:, :5].sum(axis=1) * 40
        quotes["sell_quantity"] = depth["quantity"][:, 5:].sum(axis=1) * 40
