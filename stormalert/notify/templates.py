"""Messages as their reader wants them: a text in any language with {placeholders}, filled from an alert.

The first line is the headline: the mail's subject, bold in Telegram. Nothing of a template is ever evaluated: a placeholder is
a name out of the list below, and each channel escapes what comes out.
"""

import string
import unicodedata
from collections.abc import Iterator, Mapping

from stormalert import words
from stormalert.config.stored import TEMPLATE
from stormalert.errors import InputError
from stormalert.model import Alert, Direction, Kind
from stormalert.rules.kinds import KINDS
from stormalert.store import Store
from stormalert.units import MINUTE_MS, format_percent

LONGEST = 1_000

PLACEHOLDERS = {
    "symbol": "the instrument, such as NSE:INFY",
    "price": "the price that fired the rule, in rupees",
    "percent": "how far it moved, in percent",
    "direction": "up or down",
    "arrow": "▲ or ▼",
    "reference": "the price that it was measured from",
    "extreme": "peak or low: which side the reference is of",
    "window": "the rule's time, such as 5 min; empty for rules without one",
    "time": "when it happened, in India",
}

_HEADLINE = "{arrow} {symbol} {price} · {direction} {percent} %"
DEFAULTS = {kind: f"{_HEADLINE}\n{KINDS[kind].message}" for kind in Kind}


def checked(template: str) -> str:
    """The template as it is stored. Raises InputError."""
    template = "\n".join(line.rstrip() for line in template.strip().splitlines())
    if not template:
        raise InputError("A message needs a text.")
    if len(template) > LONGEST:
        raise InputError(f"A message may have at most {LONGEST:,} characters, has {len(template):,}.")
    if any(unicodedata.category(letter) == "Cc" and letter != "\n" for letter in template):
        raise InputError("A message may hold no control characters.")
    for _text, name in _parts(template):
        if name is not None and name not in PLACEHOLDERS:
            raise InputError(f"There is no placeholder {{{name}}}; there are {', '.join(f'{{{it}}}' for it in PLACEHOLDERS)}.")
    return template


def fill(template: str, fields: Mapping[str, str]) -> str:
    """The text of a checked template."""
    return "".join(text + (fields[name] if name is not None else "") for text, name in _parts(template))


def fields_of(alert: Alert, now_ms: int) -> dict[str, str]:
    """A text for every placeholder."""
    is_up = alert.direction is Direction.UP
    return {
        "symbol": " ".join(alert.symbol.split()),
        "price": words.price(alert.price_e4),
        "percent": format_percent(alert.moved_e2),
        "direction": str(alert.direction),
        "arrow": "▲" if is_up else "▼",
        "reference": words.price(alert.reference_e4),
        "extreme": "low" if is_up else "peak",
        "window": words.duration(alert.window_ms) if alert.window_ms else "",
        "time": words.moment(alert.time_ms, now_ms),
    }


def preview(template: str, now_ms: int) -> str:
    """What the example alert would read like; the usual text when the template is empty. Raises InputError."""
    alert = example("preview", "", now_ms)
    return fill(checked(template) if template.strip() else DEFAULTS[alert.kind], fields_of(alert, now_ms))


def example(alert_id: str, user: str, time_ms: int) -> Alert:
    """An alert that no rule fired."""
    return Alert(
        id=alert_id,
        rule="example",
        user=user,
        token=408065,
        symbol="NSE:INFY",
        kind=Kind.ROLLING,
        direction=Direction.UP,
        price_e4=13_845_500,
        reference_e4=13_557_000,
        percent_e2=200,
        window_ms=5 * MINUTE_MS,
        time_ms=time_ms,
    )


def template_of(store: Store, user: str) -> str:
    """The user's own; empty for the usual one, which also stands in for one that an older StormAlert took."""
    template = store.setting(TEMPLATE.of(user)) or ""
    try:
        return checked(template) if template else ""
    except InputError:
        return ""


def forget(store: Store, user: str) -> None:
    store.delete_setting(TEMPLATE.of(user))


def save_template(store: Store, user: str, template: str) -> None:
    """An empty one brings the usual one back. Raises InputError."""
    store.save_setting(TEMPLATE.of(user), checked(template) if template.strip() else "")


def _parts(template: str) -> Iterator[tuple[str, str | None]]:
    """Each piece of text with the name of the placeholder behind it. Raises InputError."""
    try:
        for text, name, spec, conversion in string.Formatter().parse(template):
            if spec or conversion:
                raise InputError(f"A placeholder is a name in braces and nothing else, was {{{name}...}}.")
            yield text, name
    except ValueError as error:
        raise InputError(f"A brace is not part of a placeholder ({error}); write {{{{ or }}}} for a brace itself.") from None
