"""The lowest and highest price of a sliding window: two monotonic deques, each tick pushed once and popped at most once."""

from collections import deque


class Window:
    def __init__(self, window_ms: int) -> None:
        self.low_e4 = self.high_e4 = 0
        self._window_ms = window_ms
        self._lows: deque[tuple[int, int]] = deque()
        self._highs: deque[tuple[int, int]] = deque()

    def push(self, time_ms: int, price_e4: int) -> None:
        lows, highs, expired_ms = self._lows, self._highs, time_ms - self._window_ms
        while lows and lows[-1][1] >= price_e4:
            lows.pop()
        while highs and highs[-1][1] <= price_e4:
            highs.pop()
        lows.append((time_ms, price_e4))
        highs.append((time_ms, price_e4))
        while lows[0][0] <= expired_ms:
            lows.popleft()
        while highs[0][0] <= expired_ms:
            highs.popleft()
        self.low_e4, self.high_e4 = lows[0][1], highs[0][1]
