import socket
from collections.abc import Iterator

import pytest

from ops.launch.ports import Port, problems

LOOPBACK = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def free(taken: int) -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def test_free_ports_are_no_problem(free: int) -> None:
    assert problems([Port(free, "STORM_PORT", LOOPBACK)]) == []


def test_a_taken_port_names_the_setting_to_change(taken: int) -> None:
    [problem] = problems([Port(taken, "STORM_PORT", LOOPBACK)])
    assert str(taken) in problem
    assert "STORM_PORT" in problem


def test_every_taken_port_is_told_at_once(taken: int) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        second = other.getsockname()[1]
        assert len(problems([Port(taken, "STORM_PORT", LOOPBACK), Port(second, "STORM_RELAY_PORT", LOOPBACK)])) == 2


def test_one_number_for_two_is_told_with_both_settings(free: int) -> None:
    [problem] = problems([Port(free, "STORM_PORT", LOOPBACK), Port(free, "STORM_RELAY_PORT", LOOPBACK)])
    assert "STORM_PORT" in problem
    assert "STORM_RELAY_PORT" in problem


def test_an_address_that_is_not_of_this_machine_is_a_problem(free: int) -> None:
    [problem] = problems([Port(free, "STORM_PORT", "192.0.2.1")])
    assert "192.0.2.1" in problem
