"""What a check found, and what to do about it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from stormalert.config.settings import Settings

# Shorter ones would make holes into ordinary words.
_SHORTEST_SECRET = 4


class Level(StrEnum):
    """GOOD; WAIT: it works, and should be seen to; BAD: something does not work, or is about to be lost."""

    GOOD = "good"
    WAIT = "wait"
    BAD = "bad"


class Finding(NamedTuple):
    subject: str
    level: Level
    found: str
    # What to do; empty when nothing is.
    advice: str = ""


def good(subject: str, found: str) -> Finding:
    return Finding(subject, Level.GOOD, found)


def wait(subject: str, found: str, advice: str) -> Finding:
    return Finding(subject, Level.WAIT, found, advice)


def bad(subject: str, found: str, advice: str) -> Finding:
    return Finding(subject, Level.BAD, found, advice)


def worst(findings: Iterable[Finding]) -> Level:
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.BAD, Level.WAIT) if level in levels), Level.GOOD)


def without_secrets(finding: Finding, secrets: Iterable[str]) -> Finding:
    """Whatever a library wrote into its error: nothing secret comes through."""
    found, advice = finding.found, finding.advice
    for secret in secrets:
        found, advice = found.replace(secret, "***"), advice.replace(secret, "***")
    return finding._replace(found=found, advice=advice)


def secrets_of(config: Settings) -> list[str]:
    """All that nobody may see, the longest first: one may hold another."""
    values = [getattr(config, name) for name in Settings.model_fields]
    texts = {value.get_secret_value() for value in values if isinstance(value, SecretStr)} | {config.kite_api_key}
    for url in (config.redis_url, config.queue_url, config.mongodb_uri, config.smtp_url):
        password = password_in(url)
        texts |= {password, unquote(password)}
    return sorted((text for text in texts if len(text) >= _SHORTEST_SECRET), key=len, reverse=True)


def password_in(url: str) -> str:
    """As it stands there; urlsplit's own gives up on some that are malformed."""
    user, at, _ = url.partition("://")[2].rpartition("@")
    return user.partition(":")[2] if at else ""


def place(url: str) -> str:
    """Host and port of a URL, without who signs in there."""
    return urlsplit(url).netloc.rpartition("@")[2] or urlsplit(url).path
