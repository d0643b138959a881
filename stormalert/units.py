"""Exact integers inside, decimals where a person reads: prices in rupees x 10,000, percents in hundredths, times in ms."""

import re
import time
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from stormalert.errors import InputError

IST = ZoneInfo("Asia/Kolkata")

# Largest price for which price x (100 % + PERCENT_MAX) stays an exact integer in Lua's doubles (below 2**53).
PRICE_MAX_E4 = 8_000_000 * 10_000
PERCENT_MAX_E2 = 1_000 * 100

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# No exponents: 1e999999999 is a decimal that would not fit into memory.
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,12})?")
_DURATION = re.compile(r"([0-9]{1,9})\s*(ms|s|m|h)")
_UNIT_MS = {"ms": 1, "s": SECOND_MS, "m": MINUTE_MS, "h": HOUR_MS}


def now_ms() -> int:
    """Wall clock in epoch milliseconds: for what is stored. Durations use time.monotonic()."""
    return time.time_ns() // 1_000_000


def parse_price_e4(text: str) -> int:
    """Rupees with up to four decimals, as integer rupees x 10,000. Raises InputError."""
    price_e4 = _scaled(text, 4, "price")
    if not 0 < price_e4 <= PRICE_MAX_E4:
        raise InputError(f"price must be above 0 and at most {PRICE_MAX_E4 // 10_000} rupees, was {text.strip()!r}")
    return price_e4


def parse_percent_e2(text: str) -> int:
    """A percent with up to two decimals, as integer hundredths. Raises InputError."""
    percent_e2 = _scaled(text.strip().removesuffix("%"), 2, "percent")
    if not 0 < percent_e2 <= PERCENT_MAX_E2:
        raise InputError(f"percent must be above 0 and at most {PERCENT_MAX_E2 // 100}, was {text.strip()!r}")
    return percent_e2


def parse_duration_ms(text: str) -> int:
    """A whole number and its unit, such as 300s, 5m or 1h, as milliseconds. Raises InputError."""
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise InputError(f"a duration is a whole number and a unit such as 300s, 5m or 1h, was {text.strip()!r}")
    return int(match[1]) * _UNIT_MS[match[2]]


def parse_epoch_ms(text: str, noun: str) -> int:
    """A moment in epoch milliseconds. Raises InputError."""
    digits = text.strip()
    if not digits.isascii() or not digits.isdigit() or len(digits) > 14:
        raise InputError(f"{noun} must be epoch milliseconds, was {digits!r}")
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


def format_ist(time_ms: int) -> str:
    """A moment as people in India read it: 2026-11-23 09:15:00 IST."""
    return datetime.fromtimestamp(time_ms / 1000, IST).strftime("%Y-%m-%d %H:%M:%S IST")


def _scaled(text: str, decimals: int, noun: str) -> int:
    if not _DECIMAL.fullmatch(text.strip()):
        raise InputError(f"{noun} must be a decimal number, was {text.strip()!r}")
    scaled = Decimal(text.strip()).scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise InputError(f"{noun} may have at most {decimals} decimals, was {text.strip()!r}")
    return int(scaled)
