import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.backup import archive
from stormalert.errors import InputError, StormError

HEADER = ["header", {"format": archive.FORMAT, "made_ms": 1}]
ROWS = [HEADER, ["record", "users", {"name": "आशा"}], ["key", b"x", "string", 0, b"\xff\x00\x80"]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "backup.gz"
    archive.write(made, ROWS)
    return made


def test_what_was_written_is_read_again(path: Path) -> None:
    assert archive.check(path) == HEADER[1]
    record, key = archive.rows(path)
    assert record == ROWS[1]
    assert archive.content_of(key[4]) == b"\xff\x00\x80"


def test_a_person_can_read_it(path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert [json.loads(line)[0] for line in lines] == ["header", "record", "key", "end"]
    assert "आशा" in lines[1]


def test_it_is_its_owners(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_there_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        archive.write(path, ROWS)
    assert path.read_bytes() == before


def test_a_backup_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> Iterator[archive.Row]:
        yield HEADER
        raise StormError("redis failed")

    with pytest.raises(StormError, match="redis failed"):
        archive.write(tmp_path / "backup.gz", failing())
    assert list(tmp_path.iterdir()) == []


def _repacked(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda packed: gzip.compress(b"".join(change(gzip.decompress(packed).splitlines(keepends=True))))


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:-9],
        lambda packed: packed[:40] + bytes([packed[40] ^ 1]) + packed[41:],
        lambda packed: b"",
        lambda packed: b"PK" + packed,
        _repacked(lambda lines: lines[:-1]),
        _repacked(lambda lines: [*lines[:1], *lines[2:]]),
        _repacked(lambda lines: [lines[0], lines[2], lines[1], lines[3]]),
        _repacked(lambda lines: [*lines, lines[1]]),
        _repacked(lambda lines: [lines[0], b"not json\n", *lines[2:]]),
        _repacked(lambda lines: [line.replace(b"users", b"rules") for line in lines]),
        _repacked(lambda lines: lines[1:]),
    ],
)
def test_a_damaged_file_is_refused(path: Path, damage: Callable[[bytes], bytes]) -> None:
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"damaged|no backup of StormAlert"):
        archive.check(path)


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    archive.write(tmp_path / "newer.gz", [["header", {"format": archive.FORMAT + 1}]])
    with pytest.raises(InputError, match=rf"has format {archive.FORMAT + 1}, expected {archive.FORMAT}"):
        archive.check(tmp_path / "newer.gz")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        archive.check(tmp_path / "none.gz")
