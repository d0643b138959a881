"""The chart in words."""

from dashboard.chart import Mark, PriceLine, alternative
from stormalert.market.bars import Bar

NINE_FIFTEEN_MS = 1_764_128_700_000


def test_who_does_not_see_the_chart_is_told_what_it_shows() -> None:
    bars = [
        Bar(NINE_FIFTEEN_MS, 13_800_000, 13_850_000, 13_790_000, 13_845_500),
        Bar(NINE_FIFTEEN_MS + 60_000, 13_845_500, 13_900_000, 13_845_500, 12_345_678),
    ]
    lines = [PriceLine(14_000_000, "Rises 2 % within 5 min", "up")]
    marks = [Mark(NINE_FIFTEEN_MS + 61_000, "down", "Fell 1 %"), Mark(NINE_FIFTEEN_MS, "up", "Rose 1 %")]
    assert alternative(bars, lines, marks) == (
        "Chart of 2 minutes, from 26 Nov 2025 09:15:00 to 26 Nov 2025 09:16:00 IST:"
        " first 1,380.00, last 1,234.5678, low 1,379.00, high 1,390.00."
        " Lines: Rises 2 % within 5 min at 1,400.00."
        " 2 marks, the last at 26 Nov 2025 09:16:01: Fell 1 %."
    )


def test_a_chart_without_prices_says_so() -> None:
    assert alternative([]) == "Chart without prices yet."
