"""How long a request's body may be: whoever sends one decides how much memory it takes, strangers too."""

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from dashboard.web import sessions

# Forms of our own pages, and reports of providers.
FORM_MAX_BYTES = 65_536
# A table of rules.
API_MAX_BYTES = 8_000_000


def limited(scope: Scope, receive: Receive, most_bytes: int) -> Receive:
    """Raises HTTPException when more comes, or is announced."""
    left = most_bytes

    async def receive_some() -> Message:
        nonlocal left
        told = sessions.header_of(scope, "content-length") or "0"
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0 or not (told.isascii() and told.isdigit()) or int(told) > most_bytes:
            raise HTTPException(413, f"A request has at most {most_bytes} bytes here.")
        return message

    return receive_some
