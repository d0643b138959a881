"""How far a message came."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stormalert.model import Delivery, DeliveryState

# What nobody could deal with comes again after this.
BROKEN_S = 300.0


@dataclass(frozen=True, slots=True)
class Done:
    """The end of it, in words."""

    state: DeliveryState
    reason: str = ""
    attempts: int = field(default=0, compare=False)
    provider_id: str = field(default="", compare=False)
    # Of a failure that its channel is to blame for, or its provider: the reason without the answer's own words.
    cause: str = field(default="", compare=False)

    @property
    def is_failed(self) -> bool:
        return self.state is DeliveryState.FAILED


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, and why; waiting for a limit is no attempt."""

    after_s: float
    reason: str
    attempts: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Parked:
    """Not before a moment, and why; told with others when there is a digest. The store keeps it meanwhile, not the queue."""

    due_ms: int
    reason: str
    digest: str = ""


Outcome = Done | Later | Parked


@dataclass(frozen=True, slots=True)
class Ended:
    """How far a job came, and which deliveries with it: one, those of a digest, or none when the store has nothing to note."""

    id: str
    outcome: Outcome
    deliveries: tuple[Delivery, ...] = ()


Report = Callable[[Ended], None]
