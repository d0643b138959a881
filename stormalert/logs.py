"""The log of a process: one line an event on stderr, text for people or JSON for machines, with the same fields.

What the libraries log goes the same way. No event carries a secret: those who write one see to it, and libraries that would
log addresses with tokens in them are held to warnings.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from stormalert.config.settings import Settings

log = logging.getLogger("stormalert")

# These tell every request or connection, some with tokens in its URL.
_CHATTY = (
    *("httpx", "httpcore", "urllib3", "telegram", "twilio.http_client", "websockets"),
    *("twisted", "uvicorn", "rq", "kiteconnect"),
)
_PLAIN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


def start_logging(process: str, config: Settings) -> None:
    is_json = config.log_format == "json" or (config.log_format == "auto" and not sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process) if is_json else TextFormatter(process))
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    if is_json:
        # A crash is an event too, and not twenty lines that nobody can put together again.
        sys.excepthook = _tell_crash
        threading.excepthook = lambda crash: _tell_crash(crash.exc_type, crash.exc_value, crash.exc_traceback)


def adopt(*libraries: str) -> None:
    """Has libraries that print their log by themselves log as everybody does."""
    for name in (*libraries, *logging.root.manager.loggerDict):
        if name.startswith(libraries):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True


def _tell_crash(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, KeyboardInterrupt | SystemExit):
        return
    log.critical("crashed", exc_info=(kind, error, trace))


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    return {key: value for key, value in record.__dict__.items() if key not in _PLAIN}


class TextFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).strftime("%H:%M:%S.%f")[:-3]
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        # Whatever an event tells, it is one line: a second one could pass for an event of its own.
        told = f"{record.getMessage()}{fields}".replace("\n", "\\n")
        line = f"{time} {record.levelname.lower():7} {self._process}: {told}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "process": self._process,
            "pid": os.getpid(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # A field of an event that is called like one of these stays away.
        entry |= {key: value for key, value in _fields(record).items() if key not in entry}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)
