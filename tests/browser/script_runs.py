"""What Streamlit's browser and server say to each other of runs of the script.

The page itself tells that it runs only when the server has answered: what is looked at between a click and that answer looks
finished, and is not.
"""

from playwright.sync_api import WebSocket
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

STREAM = "/_stcore/stream"


class ScriptRuns:
    """`is_asked`: the browser asked for a run that has not begun; `is_running`: one has begun that has not ended."""

    def __init__(self) -> None:
        self.is_asked = False
        self.is_running = False

    def follow(self, opened: WebSocket) -> None:
        """The connection of a page that was opened; of the one before nothing comes any more."""
        if STREAM not in opened.url:
            return
        self.is_asked = self.is_running = False
        opened.on("framesent", self.on_sent)
        opened.on("framereceived", self.on_received)

    def on_sent(self, frame: str | bytes) -> None:
        sent = BackMsg.FromString(frame) if isinstance(frame, bytes) else BackMsg()
        # A part that draws itself anew asks too, and is not answered when it is not there any more.
        if sent.HasField("rerun_script") and not sent.rerun_script.is_auto_rerun:
            self.is_asked = True

    def on_received(self, frame: str | bytes) -> None:
        told = ForwardMsg.FromString(frame) if isinstance(frame, bytes) else ForwardMsg()
        if told.HasField("new_session"):
            self.is_asked, self.is_running = False, True
        elif told.HasField("script_finished"):
            # One that ends early for another is followed by that one.
            self.is_running = told.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
