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


def test_tells_another_reason_and_the_same_trouble_when_it_comes_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("redis")
    outage.begin("full")
    outage.begin("away")
    outage.end()
    outage.begin("away")
    assert [it.__dict__["reason"] for it in caplog.records] == ["full", "away", "away"]
