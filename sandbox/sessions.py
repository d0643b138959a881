"""Kite's logins: a request token serves once, an access token until six in the morning or the next login."""

import hashlib
import hmac
import secrets
import sqlite3
import time

from sandbox.market import DAY_S, day_of, day_start_s

REQUEST_TOKEN_S = 300.0
EXPIRY_S = 6 * 3600  # after midnight in India


class KiteSessions:
    """The tokens of the one application that the stand-in knows."""

    def __init__(self, database: sqlite3.Connection, api_key: str, api_secret: str) -> None:
        self.api_key = api_key
        self._secret = api_secret
        self._database = database
        self._request_tokens: dict[str, float] = {}

    def begin(self) -> str:
        """Make the request token that the login page sends to the application."""
        token = secrets.token_urlsafe(24)
        self._request_tokens[token] = time.monotonic()
        return token

    def exchange(self, request_token: str, checksum: str) -> str | None:
        """Give an access token for a request token, once, if the checksum proves the secret."""
        expected = hashlib.sha256(f"{self.api_key}{request_token}{self._secret}".encode()).hexdigest()
        if not hmac.compare_digest(expected, checksum):
            return None
        made_s = self._request_tokens.pop(request_token, None)
        if made_s is None or time.monotonic() - made_s > REQUEST_TOKEN_S:
            return None
        access_token = secrets.token_urlsafe(24)
        row = (self.api_key, access_token, time.time())
        self._database.execute("INSERT OR REPLACE INTO access_token VALUES (?, ?, ?)", row)
        return access_token

    def is_valid(self, api_key: str, access_token: str) -> bool:
        row = self._database.execute("SELECT token, made_s FROM access_token WHERE api_key = ?", (api_key,)).fetchone()
        return row is not None and row[0] == access_token and time.time() < expires_s(row[1])

    def end(self, access_token: str) -> bool:
        ended = self._database.execute("DELETE FROM access_token WHERE token = ?", (access_token,))
        return ended.rowcount > 0

    def end_all(self) -> int:
        """End every session, as Kite does each morning; sockets that are open stay so."""
        return self._database.execute("DELETE FROM access_token").rowcount


def expires_s(made_s: float) -> float:
    """Give the next six o'clock in India."""
    today_s = day_start_s(day_of(made_s)) + EXPIRY_S
    return today_s if made_s < today_s else today_s + DAY_S
