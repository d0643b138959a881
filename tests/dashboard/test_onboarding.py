from dataclasses import replace

import pytest

from dashboard.system.onboarding_steps import OnboardingFacts, next_step, steps

NOTHING = OnboardingFacts(has_key=False, feed_state="login_needed", has_instruments=False, watched=0, channels=0, rules=0)
ALL = OnboardingFacts(has_key=True, feed_state="streaming", has_instruments=True, watched=20, channels=1, rules=1)


def test_on_an_empty_installation_the_key_and_a_channel_can_be_begun_with() -> None:
    found = steps(NOTHING)
    assert [step.is_done for step in found] == [False] * 5
    assert [step.is_possible for step in found] == [True, False, False, True, False]
    following = next_step(found)
    assert following and following.name == "Kite's key"


def test_each_step_is_done_by_what_is_there() -> None:
    assert next_step(steps(ALL)) is None
    for number, missing in enumerate(
        ({"has_key": False}, {"feed_state": "login_needed"}, {"watched": 0}, {"channels": 0}, {"rules": 0})
    ):
        found = steps(replace(ALL, **missing))  # type: ignore[arg-type]
        assert [step.is_done for step in found] == [place != number for place in range(5)]


@pytest.mark.parametrize(
    ("state", "is_done", "told"),
    [
        ("connecting", True, "06:00."),
        ("stale", True, "06:00."),
        ("login_needed", False, "06:00."),
        ("starting", False, "ingest is starting."),
        ("", False, "ingest is not running, so nobody asks Kite."),
    ],
)
def test_the_login_is_done_when_kite_lets_ingest_in_whatever_the_socket_does(state: str, is_done: bool, told: str) -> None:
    login = steps(replace(ALL, feed_state=state))[1]
    assert login.is_done is is_done and login.told.endswith(told)
