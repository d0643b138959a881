"""The job that RQ runs; its one argument is the delivery's id."""

import math

from rq import Retry

from stormalert.errors import Permanent
from workers.deliver import Courier, Later

# RQ counts, but when to give up is decided in deliver.py, by the age of the alert.
_NO_LIMIT = 1_000_000

_couriers: list[Courier] = []


def start(courier: Courier) -> None:
    """Give the process's jobs the courier that they all use."""
    _couriers[:] = [courier]


def deliver(delivery: str) -> str | Retry:
    """What became of it, or when to run again; raises Permanent, so that the board shows the job among the failed."""
    outcome = _couriers[0].deliver(delivery)
    if isinstance(outcome, Later):
        return Retry(max=_NO_LIMIT, interval=max(1, math.ceil(outcome.after_s)))
    if outcome.is_failed:
        raise Permanent(outcome.reason)
    return outcome.reason
