"""Findings that show no secret, whatever a library wrote into its error."""

from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from stormalert.config.settings import Settings
from stormalert.health.finding import Finding

# Shorter ones would make holes into ordinary words.
_SHORTEST_SECRET = 4


def without_secrets(finding: Finding, secrets: Iterable[str]) -> Finding:
    what, todo = finding.what, finding.todo
    for secret in secrets:
        what, todo = what.replace(secret, "***"), todo.replace(secret, "***")
    return finding._replace(what=what, todo=todo)


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
