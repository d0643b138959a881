"""The command line: every flag has a default that works."""

import argparse
from collections.abc import Callable
from pathlib import Path

from sandbox.instruments import LISTED_SEGMENTS, MAX_STOCKS


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the flags; anything wrong ends the program with a sentence."""
    parser = argparse.ArgumentParser("python -m sandbox", description="Stand-ins for Kite, Telegram, Twilio and SMTP.")
    _add_serving(parser)
    commands = parser.add_subparsers(dest="command", metavar="")
    ticks = commands.add_parser("ticks", help="print a recording as time,symbol,price and end")
    ticks.add_argument("file", type=Path, help="minute file or tick file")
    return parser.parse_args(arguments)


def _add_serving(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    port = _number(int, 1, 65_535)
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    add("--http-port", type=port, default=8800, help="Kite's REST and login, Telegram, Twilio, outbox, control (%(default)s)")
    add("--ws-port", type=port, default=8801, help="Kite's stream (%(default)s)")
    add("--tls-port", type=_number(int, 0, 65_535), default=0, help="Kite's stream over TLS, certificate made here (0: none)")
    add("--smtp-port", type=port, default=8825, help="mail (%(default)s)")
    add("--state-dir", type=Path, default=Path("var/sandbox"), help="tokens and outbox are kept here (%(default)s)")
    add("--kite-api-key", default="sandbox-key", help="(%(default)s)")
    add("--kite-api-secret", default="sandbox-secret", help="(%(default)s)")
    add(
        "--kite-redirect-url",
        default="http://127.0.0.1:8501/kite/callback",
        help="where a login comes back to (%(default)s)",
    )
    add("--telegram-token", type=_bot_token, default="1000001:sandbox-telegram-token", help="(%(default)s)")
    add("--twilio-sid", default="ACsandbox00000000000000000000000000", help="(%(default)s)")
    add("--twilio-auth-token", default="sandbox-twilio-token", help="(%(default)s)")
    add("--twilio-inbound-url", default="", help="where WhatsApp messages that people write are posted to")
    add("--smtp-tls", action="store_true", help="offer STARTTLS, with the certificate smtp-certificate.pem in --state-dir")
    add("--smtp-login", default="", metavar="USER:PASSWORD", help="take no mail without it; else any login will do, or none")
    add("--instruments", type=_number(int, 1, MAX_STOCKS), default=500, help="listed beside the indices (%(default)s)")
    add(
        "--segments",
        type=_segments,
        default=("nse",),
        help=f"comma-separated, of {','.join(LISTED_SEGMENTS)}; instruments are dealt to them in turn (nse)",
    )
    add("--with-currencies", action="store_true", help="list USDINR (CDS) and EURINR (BCD) futures too")
    add("--seed", type=_number(int, 0, 2**63), default=1, help="another seed, another market (%(default)s)")
    add("--tick-rate", type=_number(float, 0.1, 1e6), default=500.0, help="packets a second, all told (%(default)g)")
    add("--liveliness", type=_number(float, 0, 20), default=1.0, help="how much prices move (%(default)g)")
    add("--play", type=Path, metavar="FILE", help="play this recording instead of the generated market")
    add("--speed", type=_number(float, 0, 1000), default=1.0, help="of --play; 0: as fast as possible (%(default)g)")
    add(
        "--play-delay",
        type=_number(float, 0, 3600),
        default=2.0,
        help="seconds from the first subscription to what was recorded until it plays (%(default)g)",
    )


def _number(kind: type[int] | type[float], least: float, most: float) -> Callable[[str], float]:
    def number(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = most + 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected {least:g} to {most:g}, was {text!r}")
        return value

    return number


def _segments(text: str) -> tuple[str, ...]:
    segments = tuple(dict.fromkeys(text.split(",")))
    if not set(segments) <= set(LISTED_SEGMENTS):
        raise argparse.ArgumentTypeError(f"expected some of {','.join(LISTED_SEGMENTS)}, was {text!r}")
    return segments


def _bot_token(text: str) -> str:
    if not text.partition(":")[0].isdigit() or ":" not in text:
        raise argparse.ArgumentTypeError(f"expected digits:secret, was {text!r}")
    return text
