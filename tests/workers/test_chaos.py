"""A small run of `python -m bench.chaos`."""

import pytest

from bench import chaos
from workers.pipeline.pace import ON_THEIR_WAY


@pytest.mark.usefixtures("processes")
def test_every_alert_reaches_every_channel_while_providers_fail_and_processes_are_killed() -> None:
    outcome = chaos.run(alerts=120, kill_every_s=1.0, kills=4, within_s=400)
    print(outcome.log[-4_000:])
    assert outcome.lost == ()
    assert outcome.kills == 4
    # So many may be between the provider's yes and our mark when their worker is killed.
    assert outcome.duplicates <= ON_THEIR_WAY * outcome.kills
