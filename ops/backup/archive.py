"""A backup as a file: JSON lines, gzipped, so that a person can look into it and any server can take it.

Each line is a list that begins with what it is:

    header   what was backed up, when and by which format; the first line
    record   collection and fields of one record of the store
    key      name, type, when it expires in epoch ms (0: never), and its content
    entries  name of a stream and some of its entries, [id, [field, value, ...]] each
    stream   name of a stream, and what it needs besides its entries
    end      how many lines there are before it, and their SHA-256

Texts of Redis that are not UTF-8, such as the engine's numbers, are {"base64": ...}.
"""

import base64
import gzip
import hashlib
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stormalert.errors import InputError, StormError

FORMAT = 1
# Of gzip: a higher level takes several times as long for a tenth less.
LEVEL = 5
STANDARD = Path("-")

Row = list[Any]


def write(path: Path, rows: Iterable[Row]) -> int:
    """Whole or not at all, and readable by its owner only; `-` is standard output. Returns its bytes. Raises StormError."""
    if path == STANDARD:
        return _write(sys.stdout.buffer, rows)
    if path.exists():
        raise InputError(f"{path} is there already")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            size = _write(file, rows)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    except OSError as error:
        raise StormError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    return size


def check(path: Path) -> dict[str, Any]:
    """The header of a backup that is whole. Raises InputError with what is wrong with it."""
    header: dict[str, Any] = {}
    digest, lines, end = hashlib.sha256(), 0, None
    for line in _lines(path):
        if end is not None:
            raise InputError(f"{path} is damaged: it goes on behind its end")
        row = _row(path, lines, line)
        if not lines:
            header = _header(path, row)
        if row[0] == "end":
            end = row[1:]
        else:
            digest.update(line)
            lines += 1
    if end is None:
        raise InputError(f"{path} is damaged: it ends before its last line")
    if end != [lines, digest.hexdigest()]:
        raise InputError(f"{path} is damaged: its content is not what was written")
    return header


def rows(path: Path) -> Iterator[Row]:
    """What is between the header and the end of a backup that was checked."""
    for number, line in enumerate(_lines(path)):
        row = _row(path, number, line)
        if row[0] not in ("header", "end"):
            yield row


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """The path; of standard input, a file with what comes from there: a backup is read twice."""
    if path != STANDARD:
        yield path
        return
    with tempfile.NamedTemporaryFile(prefix="storm-") as file:
        while block := sys.stdin.buffer.read(1 << 20):
            file.write(block)
        file.flush()
        yield Path(file.name)


def _write(file: Any, rows: Iterable[Row]) -> int:
    digest, lines = hashlib.sha256(), 0
    counting = _Counting(file)
    with gzip.GzipFile(fileobj=counting, mode="wb", compresslevel=LEVEL, filename="", mtime=0) as packed:
        for row in rows:
            line = _text(row)
            digest.update(line)
            lines += 1
            packed.write(line)
        packed.write(_text(["end", lines, digest.hexdigest()]))
    return counting.size


class _Counting:
    def __init__(self, file: Any) -> None:
        self._file = file
        self.size = 0

    def write(self, block: bytes) -> int:
        self.size += len(block)
        return int(self._file.write(block))

    def flush(self) -> None:
        self._file.flush()


def _header(path: Path, row: Row) -> dict[str, Any]:
    if row[0] != "header" or len(row) != 2 or not isinstance(row[1], dict):
        raise InputError(f"{path} is no backup of StormAlert")
    found = row[1].get("format")
    if found != FORMAT:
        raise InputError(f"{path} has format {found}, expected {FORMAT}: another version of StormAlert made it")
    return row[1]


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path) as file:
            yield from file
    except EOFError:
        raise InputError(f"{path} is damaged: it ends too soon") from None
    except gzip.BadGzipFile as error:
        raise InputError(f"{path} is no backup of StormAlert, or is damaged: {error}") from None
    except zlib.error:
        raise InputError(f"{path} is damaged: it cannot be unpacked") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, list) or not row:
        raise InputError(f"{path} is damaged: line {number + 1} cannot be read")
    return row


def _text(row: Row) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=_plain).encode() + b"\n"


def _plain(content: Any) -> Any:
    if not isinstance(content, bytes):
        raise TypeError(f"a backup holds texts and numbers, was given {type(content).__name__}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def content_of(plain: Any) -> Any:
    """As it was in Redis."""
    if isinstance(plain, list):
        return [content_of(each) for each in plain]
    if isinstance(plain, dict):
        return base64.b64decode(plain["base64"])
    return plain
