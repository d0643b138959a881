"""The stage that counts what fails one after another, so that the channel's owner hears of it. Runs in threads."""

from collections.abc import Sequence

from redis import Redis

from stormalert.model import DeliveryState
from stormalert.notify import failures
from stormalert.store import Store
from workers.pipeline.outcome import Done, Ended


class FailureCounter:
    def __init__(self, store: Store, client: Redis) -> None:
        self._store = store
        self._client = client

    def count(self, ended: Sequence[Ended]) -> None:
        """A message that told many deliveries is one."""
        done = [
            (each.deliveries[0].channel, each.outcome) for each in ended if each.deliveries and isinstance(each.outcome, Done)
        ]
        if through := {channel for channel, outcome in done if outcome.state is DeliveryState.SENT}:
            failures.got_through(self._client, through)
        for channel, outcome in done:
            if outcome.is_failed and outcome.cause:
                failures.failed(self._store, self._client, channel, outcome.cause, outcome.reason)
