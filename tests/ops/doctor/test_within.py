import threading

import pytest

from ops.doctor.within import within


def test_what_does_not_answer_is_left_and_holds_up_no_end() -> None:
    released = threading.Event()
    asking: list[threading.Thread] = []

    def hang() -> None:
        asking.append(threading.current_thread())
        released.wait(60)

    with pytest.raises(TimeoutError):
        within(0.5, hang)
    (left,) = asking
    assert left.is_alive() and left.daemon
    released.set()
    left.join(60)


def test_an_answer_and_an_error_are_its_own() -> None:
    assert within(60, lambda: "found") == "found"
    with pytest.raises(LookupError, match="nothing there"):
        within(60, lambda: {}["nothing there"])
