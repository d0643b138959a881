"""What tells the other tests when a page is finished."""

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from tests.browser.script_runs import ScriptRuns


def began() -> bytes:
    told = ForwardMsg()
    told.new_session.SetInParent()
    return bytes(told.SerializeToString())


def ended(status: "ForwardMsg.ScriptFinishedStatus.ValueType") -> bytes:
    return bytes(ForwardMsg(script_finished=status).SerializeToString())


def asked(*, by_itself: bool = False) -> bytes:
    sent = BackMsg()
    sent.rerun_script.is_auto_rerun = by_itself
    return bytes(sent.SerializeToString())


def test_a_page_is_finished_when_all_that_was_asked_for_has_run() -> None:
    runs, seen = ScriptRuns(), []
    for hear, frame in (
        (runs.on_sent, asked()),
        (runs.on_received, began()),
        (runs.on_sent, asked()),
        (runs.on_received, ended(ForwardMsg.FINISHED_EARLY_FOR_RERUN)),
        (runs.on_received, began()),
        (runs.on_received, ended(ForwardMsg.FINISHED_SUCCESSFULLY)),
        (runs.on_sent, asked(by_itself=True)),
        (runs.on_received, ended(ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)),
    ):
        hear(frame)
        seen.append((runs.is_asked, runs.is_running))
    asks, runs_on, both, well = (True, False), (False, True), (True, True), (False, False)
    assert seen == [asks, runs_on, both, both, runs_on, well, well, well]
