"""The way from an empty installation to the first alert, step by step; what is done is read off what is there. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from stormalert import channels


@dataclass(frozen=True)
class Progress:
    has_key: bool
    # Of the feed, as ingest tells it; empty while ingest is away.
    feed_state: str
    has_instruments: bool
    watched: int
    # Channels of the admin who looks that take alerts.
    channels: int
    rules: int


class OnboardingStep(NamedTuple):
    name: str
    is_done: bool
    # Whether what it needs is there.
    is_possible: bool
    told: str


# Kite's access is there, whatever becomes of the socket.
_LOGGED_IN = ("connecting", "streaming", "stale")


def steps(progress: Progress) -> list[OnboardingStep]:
    is_in = progress.feed_state in _LOGGED_IN
    login = {"": "nothing is heard of ingest, so nobody asks Kite", "starting": "ingest is starting"}.get(
        progress.feed_state, ""
    )
    return [
        OnboardingStep("Kite's key", progress.has_key, True, "An app at developers.kite.trade gives a key and a secret."),
        OnboardingStep(
            "Log in to Kite",
            is_in,
            progress.has_key,
            f"Once a day, because Kite's access ends at 06:00. {login}".strip() + ("." if login else ""),
        ),
        OnboardingStep(
            "Instruments and a watchlist",
            progress.has_instruments and progress.watched > 0,
            progress.has_instruments,
            "What is watched runs on the Live page. Kite's list of instruments comes by itself after the login.",
        ),
        OnboardingStep("A first channel", progress.channels > 0, True, f"Where your alerts go: {channels.nouns()}."),
        OnboardingStep(
            "A first rule", progress.rules > 0, progress.watched > 0, "From now on it is looked at with every price."
        ),
    ]


def next_step(found: list[OnboardingStep]) -> OnboardingStep | None:
    """The first that is not done; None: all are."""
    return next((step for step in found if not step.is_done), None)
