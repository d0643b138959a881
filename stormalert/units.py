"""Exact integers inside, decimals where a person reads: prices in rupees x 10,000, percents in hundredths, times in ms."""

import re
import time
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from stormalert.errors import Unfit

IST = ZoneInfo("Asia/Kolkata")

# Largest price for which price x (100 % + PERCENT_MAX) stays an exact integer in Lua's doubles (below 2**53).
PRICE_MAX_E4 = 8_000_000 * 10_000
PRICE_RANGE = f"above 0 and at most {PRICE_MAX_E4 // 10_000} rupees"
PERCENT_MAX_E2 = 1_000 * 100
PERCENT_RANGE = f"above 0 and at most {PERCENT_MAX_E2 // 100}"

MS = 1
SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# No exponents: 1e999999999 is a decimal that would not fit into memory.
_PLAIN = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?")
# As in India or elsewhere: 12,34,567.50, 1,234,567.50.
_GROUPED = re.compile(r"[+-]?([0-9]{1,3}(,[0-9]{3})+|[0-9]{1,2}(,[0-9]{2})*,[0-9]{3})(\.[0-9]{1,12})?")
_RUPEES = re.compile(r"^(₹|rs\.?|inr)\s*", re.IGNORECASE)
_PERCENT = re.compile(r"\s*%$")
_UNITS_MS = {
    MS: {"ms", "msec"},
    SECOND_MS: {"s", "sec", "secs", "second", "seconds"},
    MINUTE_MS: {"m", "min", "mins", "minute", "minutes"},
    HOUR_MS: {"h", "hr", "hrs", "hour", "hours"},
}
_UNIT_MS = {word: unit_ms for unit_ms, words in _UNITS_MS.items() for word in words}
# Of a regular expression: any of their words.
UNITS = "|".join(sorted(_UNIT_MS, key=len, reverse=True))
_DURATION = re.compile(rf"([0-9]{{1,9}})\s*({UNITS})", re.IGNORECASE)
# Digits with whatever separators.
_SEPARATED = re.compile(r"[0-9]{1,12}(?:[.,][0-9]{0,12}){1,6}")
# Where a person may put a space inside of one amount: 2 %, 5 min, ₹ 1500.
_APART = re.compile(rf"(?<=\d)\s+(?=(?:%|{UNITS})(?:\s|$))", re.IGNORECASE)
_RUPEES_APART = re.compile(r"(?:(?<=\s)|^)(₹|rs\.?|inr)\s+(?=\d)", re.IGNORECASE)


def now_ms() -> int:
    """Wall clock in epoch milliseconds: for what is stored. Durations use time.monotonic()."""
    return time.time_ns() // 1_000_000


def parse_price_e4(text: str) -> int:
    """Rupees with up to four decimals, as integer rupees x 10,000: 1500, 1,23,456.50, ₹1500. Raises Unfit."""
    price_e4 = _scaled(text.strip(), 4, "price", _RUPEES)
    if not 0 < price_e4 <= PRICE_MAX_E4:
        raise Unfit.of("price", PRICE_RANGE, text.strip())
    return price_e4


def parse_percent_e2(text: str) -> int:
    """A percent with up to two decimals, as integer hundredths: 2, 2%, 2.5 %. Raises Unfit."""
    percent_e2 = _scaled(text.strip(), 2, "percent", _PERCENT)
    if not 0 < percent_e2 <= PERCENT_MAX_E2:
        raise Unfit.of("percent", PERCENT_RANGE, text.strip())
    return percent_e2


def parse_duration_ms(text: str, noun: str = "duration") -> int:
    """A whole number and its unit, such as 300s, 5m, 5 min or 1h, as milliseconds. Raises Unfit."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise Unfit.of(noun, "a whole number and a unit such as 300s, 5m or 1h", text.strip())
    return int(match[1]) * _UNIT_MS[match[2].lower()]


def is_duration(text: str) -> bool:
    """Whether it is written as one, whatever its length."""
    return _DURATION.fullmatch(text.strip()) is not None


def joined(text: str) -> str:
    """The words of a text, with what is one amount as one word: 2 % 5 min is 2% 5min."""
    return _RUPEES_APART.sub(r"\1", _APART.sub("", text))


def parse_epoch_ms(text: str, noun: str) -> int:
    """A moment in epoch milliseconds. Raises Unfit."""
    digits = text.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 14:
        raise Unfit.of(noun, "epoch milliseconds", digits)
    return int(digits)


def format_price(price_e4: int) -> str:
    """Rupees with two decimals, or with up to four where the price has them: 1384.55, 0.0525."""
    whole, fraction = divmod(price_e4, 10_000)
    return f"{whole}.{fraction // 100:02d}" if fraction % 100 == 0 else f"{whole}.{fraction:04d}".rstrip("0")


def format_percent(percent_e2: int) -> str:
    """A percent with two decimals: 2.00."""
    return f"{percent_e2 // 100}.{percent_e2 % 100:02d}"


def format_duration(duration_ms: int) -> str:
    """Seconds, as rules and streams spell a window: 300s."""
    return f"{duration_ms // SECOND_MS}s" if duration_ms % SECOND_MS == 0 else f"{duration_ms}ms"


def short_percent(percent_e2: int) -> str:
    """As a person types it: 2, 2.5."""
    return format_percent(percent_e2).rstrip("0").rstrip(".")


def short_duration(duration_ms: int) -> str:
    """As a person types it: 1h, 5m, 90s."""
    for unit_ms, unit in ((HOUR_MS, "h"), (MINUTE_MS, "m"), (SECOND_MS, "s")):
        if duration_ms and duration_ms % unit_ms == 0:
            return f"{duration_ms // unit_ms}{unit}"
    return f"{duration_ms}ms" if duration_ms else "0s"


def format_ist(time_ms: int) -> str:
    """A moment as people in India read it: 2026-11-23 09:15:00 IST."""
    return datetime.fromtimestamp(time_ms / 1000, IST).strftime("%Y-%m-%d %H:%M:%S IST")


def _scaled(text: str, decimals: int, noun: str, sign: re.Pattern[str]) -> int:
    """`sign`: what may stand around the number."""
    number = text if _PLAIN.fullmatch(text) else _ungrouped(sign.sub("", text, count=1), noun, text)
    scaled = Decimal(number).scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise Unfit.of(noun, f"a number with at most {decimals} decimals", text)
    return int(scaled)


def _ungrouped(number: str, noun: str, found: str) -> str:
    if _PLAIN.fullmatch(number) or _GROUPED.fullmatch(number):
        return number.replace(",", "")
    guess = _guess(number)
    raise Unfit.of(noun, f"a decimal number such as {guess}" if guess else "a decimal number", found)


def _guess(text: str) -> str:
    """What a number with misplaced commas may mean: 1500.50 for 1500,50 and for 1.500,50; empty when it is no number at all."""
    if not _SEPARATED.fullmatch(text):
        return ""
    at = max(text.rfind(","), text.rfind("."))
    has_fraction = len(text) - at - 1 <= 2 and text.count(text[at]) == 1
    digits = text.replace(",", "").replace(".", "")
    behind = len(text) - at - 1
    return f"{digits[:-behind]}.{digits[-behind:]}" if has_fraction and behind else digits
