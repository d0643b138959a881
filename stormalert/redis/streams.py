"""The entries of the alerts streams, as the engine writes them, and the model's alert."""

from collections.abc import Mapping

from pydantic import ValidationError

from stormalert.errors import InputError
from stormalert.model import Alert, sentences
from stormalert.units import parse_duration_ms, parse_percent_e2, parse_price_e4


def read_alert(entry: Mapping[str, str]) -> Alert:
    """The alert of a stream entry. Raises InputError."""
    try:
        return Alert.model_validate(
            {
                "id": entry["alert"],
                "price_e4": parse_price_e4(entry["price"]),
                "reference_e4": parse_price_e4(entry["reference"]),
                "percent_e2": parse_percent_e2(entry["percent"]) if entry["percent"] else 0,
                "window_ms": parse_duration_ms(entry["window"]) if entry["window"] else 0,
                "time_ms": entry["time"],
                **{name: entry[name] for name in ("rule", "user", "token", "symbol", "kind", "direction")},
            }
        )
    except KeyError as error:
        raise InputError(f"an alert entry lacks the field {error.args[0]}") from None
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


def written_ms(entry_id: str) -> int:
    """When an entry was written, by the server's clock: an alert's own time is the market's, which may be a recording's."""
    return int(entry_id.partition("-")[0])
