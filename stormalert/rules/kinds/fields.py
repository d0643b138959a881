"""What a rule's condition is made of besides its kind and direction: how each field is called, written, read and bounded."""

from collections.abc import Callable
from dataclasses import dataclass

from stormalert.errors import Unfit
from stormalert.units import (
    HOUR_MS,
    PERCENT_MAX_E2,
    PERCENT_RANGE,
    PRICE_MAX_E4,
    PRICE_RANGE,
    SECOND_MS,
    format_price,
    parse_duration_ms,
    parse_percent_e2,
    parse_price_e4,
    short_duration,
    short_percent,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """`name`: in tables, REST and sentences; `attribute`: of a rule, 0 where it has none; `range`: `least` to `most` in words.

    `usual` is what the form offers at first, `offered` what may be chosen there besides one's own.
    """

    name: str
    attribute: str
    parse: Callable[[str], int]
    write: Callable[[int], str]
    least: int
    most: int
    range: str
    example: str
    label: str
    help: str
    usual: str = ""
    offered: tuple[str, ...] = ()
    # Added where a rule has none and was given one.
    hint: str = ""

    def read(self, text: str) -> int:
        """Raises Unfit."""
        value = self.parse(text)
        if not self.least <= value <= self.most:
            raise Unfit.of(self.name, self.range, text.strip())
        return value

    def out_of_range(self, value: int) -> Unfit:
        return Unfit.of(self.name, self.range, self.write(value) if value > 0 else str(value))

    def missing(self, kind: str) -> Unfit:
        expected = f"one such as {self.example}: a {kind} rule needs it"
        return Unfit(f"found no {self.name}, expected {expected}", expected)

    def superfluous(self, kind: str, value: int) -> Unfit:
        expected = f"empty for a {kind} rule{self.hint}"
        return Unfit.of(self.name, expected, self.write(value) if value > 0 else str(value))


def _percent_text(percent_e2: int) -> str:
    return f"{short_percent(percent_e2)}%"


PERCENT = Field(
    name="percent",
    attribute="percent_e2",
    parse=parse_percent_e2,
    write=_percent_text,
    least=1,
    most=PERCENT_MAX_E2,
    range=PERCENT_RANGE,
    example="2%",
    label="Percent",
    help="Up to two decimals, such as 0.75",
    usual="2%",
)
PRICE = Field(
    name="price",
    attribute="price_e4",
    parse=parse_price_e4,
    write=format_price,
    least=1,
    most=PRICE_MAX_E4,
    range=PRICE_RANGE,
    example="1500",
    label="Price",
    help="In rupees, such as 1450.50",
)
WINDOW = Field(
    name="window",
    attribute="window_ms",
    parse=lambda text: parse_duration_ms(text, "window"),
    write=short_duration,
    least=SECOND_MS,
    most=24 * HOUR_MS,
    range="from 1s to 24h",
    example="5m",
    label="Within",
    help="Choose one, or type your own, such as 90s, 5m or 1h",
    usual="5m",
    offered=("1m", "5m", "15m", "30m", "1h", "4h", "24h"),
    hint=" (a pause after an alert is its cooldown)",
)
# Of every kind; that it is left out is not 0, but as long as usual.
COOLDOWN = Field(
    name="cooldown",
    attribute="cooldown_ms",
    parse=lambda text: parse_duration_ms(text, "cooldown"),
    write=short_duration,
    least=0,
    most=7 * 24 * HOUR_MS,
    range="from 0s to 168h",
    example="10m",
    label="Pause after an alert",
    help=WINDOW.help,
    offered=("usual", "0s", "1m", "5m", "15m", "1h", "24h"),
    usual="usual",
)
# In the order of a line.
FIELDS = (PERCENT, PRICE, WINDOW)


def is_whole_fall(percent_e2: int) -> bool:
    """Whether a fall by so much would leave nothing of a price, or less."""
    return percent_e2 >= 100 * 100
