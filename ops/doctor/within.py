"""One deadline for the whole of a question, whatever it waits for: a name, a lock, an answer that comes a byte a second."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Found = TypeVar("Found")


def started(ask: Callable[[], Found]) -> "Future[Found]":
    """In a thread of its own, which holds up no end of the program."""
    answer: Future[Found] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as error:  # boundary: it is raised where the answer is asked for
            answer.set_exception(error)

    threading.Thread(target=run, name="check", daemon=True).start()
    return answer


def within(seconds: float, ask: Callable[[], Found]) -> Found:
    """Raises TimeoutError when there is no answer by then; nobody waits for it any more."""
    return started(ask).result(seconds)
