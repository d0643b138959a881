"""An entry of an alerts stream as an Alert."""

from collections.abc import Mapping

from pydantic import ValidationError

from stormalert.errors import InputError
from stormalert.model import Alert, sentences
from stormalert.units import parse_duration_ms, parse_percent_e2, parse_price_e4


def alert_of(fields: Mapping[str, str]) -> Alert:
    """Raises InputError, in one sentence."""
    try:
        return Alert.model_validate(
            {
                "id": fields["alert"],
                "rule": fields["rule"],
                "user": fields["user"],
                "token": fields["token"],
                "symbol": fields["symbol"],
                "kind": fields["kind"],
                "direction": fields["direction"],
                "price_e4": parse_price_e4(fields["price"]),
                "reference_e4": parse_price_e4(fields["reference"]),
                "percent_e2": parse_percent_e2(fields["percent"]),
                # A trailing rule has no window.
                "window_ms": parse_duration_ms(fields["window"]) if fields["window"] else 0,
                "time_ms": fields["time"],
            }
        )
    except KeyError as missing:
        raise InputError(f"an alert without the field {missing.args[0]}") from None
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


def fired_ms(entry_id: str) -> int:
    """When the entry was written, by the server's clock: an alert's own time is the market's, which may be a recording's."""
    return int(entry_id.partition("-")[0])
