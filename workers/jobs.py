"""What a delivery's job names as its function; its one argument is the delivery's id."""

from stormalert.errors import StormError


def deliver(delivery: str) -> None:
    """Is never called: DeliveryWorker has many jobs in hand at once. Another RQ worker cannot deliver, and is told so."""
    raise StormError(f"{delivery} is delivered by `python -m workers work` only")
