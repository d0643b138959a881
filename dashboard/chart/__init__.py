"""A chart of minutes in the page itself, drawn by TradingView's lightweight-charts from our own server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from streamlit.components import v2

from dashboard import resources
from stormalert import words
from stormalert.market.bars import Bar
from stormalert.units import SECOND_MS

_HERE = Path(__file__).parent
_mount = v2.component("chart", js=(_HERE / "chart.js").read_text(), css=(_HERE / "chart.css").read_text())


class PriceLine(NamedTuple):
    """A price across the whole chart; `tone`: up, down or reference."""

    price_e4: int
    text: str
    tone: str


class Mark(NamedTuple):
    """A moment; `tone`: up or down."""

    time_ms: int
    tone: str
    text: str


def chart(
    key: str,
    bars: Sequence[Bar],
    lines: Sequence[PriceLine] = (),
    marks: Sequence[Mark] = (),
    *,
    height_px: int = 360,
    live_token: int | None = None,
    focus_ms: int | None = None,
) -> None:
    """`bars` oldest first. With `live_token` the newest follows the relay's quotes; `focus_ms` is what is looked at first."""
    config = resources.config()
    data: dict[str, Any] = {
        "bars": [(bar.time_ms // SECOND_MS, *bar[1:]) for bar in bars],
        "lines": [line._asdict() for line in lines],
        "marks": [mark._asdict() for mark in sorted(marks)],
        "alternative": alternative(bars, lines, marks),
        "height_px": height_px,
        "live_token": live_token,
        "focus_ms": focus_ms,
        "relay": {"url": config.relay_url, "port": config.relay_port},
    }
    _mount(key=key, data=data)


def alternative(bars: Sequence[Bar], lines: Sequence[PriceLine] = (), marks: Sequence[Mark] = ()) -> str:
    """The chart in words, for who does not see it."""
    if not bars:
        said = "Chart without prices yet."
    else:
        low_e4, high_e4 = min(bar.low_e4 for bar in bars), max(bar.high_e4 for bar in bars)
        said = (
            f"Chart of {words.grouped(len(bars))} minutes, from {words.moment(bars[0].time_ms)}"
            f" to {words.moment(bars[-1].time_ms)} IST:"
            f" first {words.price(bars[0].open_e4)}, last {words.price(bars[-1].close_e4)},"
            f" low {words.price(low_e4)}, high {words.price(high_e4)}."
        )
    if lines:
        said += f" Lines: {'; '.join(f'{line.text} at {words.price(line.price_e4)}' for line in lines)}."
    if marks:
        newest = max(marks)
        count = f"{words.grouped(len(marks))} marks, the last" if len(marks) > 1 else "1 mark,"
        said += f" {count} at {words.moment(newest.time_ms)}: {newest.text}."
    return said
