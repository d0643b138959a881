"""The way from an empty installation to the first alert, step by step; what is done is read off the facts. Pure."""

from dataclasses import dataclass
from typing import NamedTuple

from stormalert import channels


@dataclass(frozen=True)
class OnboardingFacts:
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


def steps(facts: OnboardingFacts) -> list[OnboardingStep]:
    is_in = facts.feed_state in _LOGGED_IN
    login = {"": "ingest is not running, so nobody asks Kite", "starting": "ingest is starting"}.get(facts.feed_state, "")
    return [
        OnboardingStep("Kite's key", facts.has_key, True, "An app at developers.kite.trade gives a key and a secret."),
        OnboardingStep(
            "Log in to Kite",
            is_in,
            facts.has_key,
            f"Once a day, because Kite's access ends at 06:00. {login}".strip() + ("." if login else ""),
        ),
        OnboardingStep(
            "Instruments and a watchlist",
            facts.has_instruments and facts.watched > 0,
            facts.has_instruments,
            "What is watched runs on the Live page. Kite's list of instruments comes by itself after the login.",
        ),
        OnboardingStep("A first channel", facts.channels > 0, True, f"Where your alerts go: {channels.nouns()}."),
        OnboardingStep("A first rule", facts.rules > 0, facts.watched > 0, "From now on it is looked at with every price."),
    ]


def next_step(found: list[OnboardingStep]) -> OnboardingStep | None:
    """The first that is not done; None: all are."""
    return next((step for step in found if not step.is_done), None)
