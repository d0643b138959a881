import threading

import pytest

from ops.doctor.within import within


def test_what_does_not_answer_is_left_and_holds_up_no_end() -> None:
    released = threading.Event()
    with pytest.raises(TimeoutError):
        within(0.05, lambda: released.wait(60))
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "check"] == [True]
    released.set()


def test_an_answer_and_an_error_are_its_own() -> None:
    assert within(60, lambda: "found") == "found"
    with pytest.raises(LookupError, match="nothing there"):
        within(60, lambda: {}["nothing there"])
