import logging

import pytest

from stormalert.outage import Outage


def test_tells_the_beginning_and_the_end_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "stormalert")
    outage = Outage("redis", stream="alerts")
    outage.end()
    for _ in range(3):
        outage.begin("ConnectionError")
    assert outage.is_on
    outage.end()
    outage.end()
    assert not outage.is_on
    assert [(it.message, it.__dict__["stream"]) for it in caplog.records] == [
        ("redis lost", "alerts"),
        ("redis back", "alerts"),
    ]


@pytest.mark.parametrize(("each_reason", "told"), [(False, ["full", "away"]), (True, ["full", "away", "away"])])
def test_tells_each_reason_once_where_that_is_wanted_and_all_anew_when_it_comes_again(
    caplog: pytest.LogCaptureFixture, each_reason: bool, told: list[str]
) -> None:
    outage = Outage("redis", each_reason=each_reason)
    for reason in ("full", "away", "full", "away"):
        outage.begin(reason)
    outage.end()
    outage.begin("away")
    assert [it.__dict__["reason"] for it in caplog.records] == told
