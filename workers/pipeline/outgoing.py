"""A message that nothing stops: the same for alerts, codes, test messages and notices."""

from dataclasses import dataclass

from stormalert.model import Channel
from workers.limits import Priority
from workers.render import Message


@dataclass(frozen=True, slots=True)
class Outgoing:
    channel: Channel
    message: Message
    priority: Priority
    # From when on it could go, and until when it is worth sending.
    since_ms: int
    expires_ms: int
    # Tries that failed before.
    attempts: int = 0
    # Who asked for it waits before a screen and is told there what is wrong with the address.
    is_watched: bool = False

    @property
    def id(self) -> str:
        """Under this it goes out once."""
        return self.message.delivery
