"""The documents that are made from the code: .env.example, and three tables in docs/ARCHITECTURE.md."""

from collections.abc import Iterable
from pathlib import Path

from stormalert.config.settings import env_example
from stormalert.config.stored import STORED
from stormalert.redis.keys import TABLE
from stormalert.words import rough_duration
from workers.notice_policy import POLICIES

ROOT = Path(__file__).resolve().parent.parent
ENV_EXAMPLE = ROOT / ".env.example"
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
_MARKS = "<!-- {0}: made by `make docs` -->", "<!-- end of {0} -->"


def write() -> None:
    ENV_EXAMPLE.write_text(env_example())
    ARCHITECTURE.write_text(with_tables(ARCHITECTURE.read_text()))


def with_tables(text: str) -> str:
    """The document with the tables between their marks made anew."""
    for name, table in (("keys", key_table()), ("stored settings", stored_table()), ("notices", notice_table())):
        begin, end = (mark.format(name) for mark in _MARKS)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table}{end}{after}"
    return text


def key_table() -> str:
    rows = [("key", "type", "holds", "writer", "bound", "backup"), ("---",) * 6]
    rows += [(f"`{it.key}`", it.type, it.holds, it.writer, it.bound, it.backup) for it in TABLE]
    return _table(rows)


def stored_table() -> str:
    rows = [("setting", "type", "sealed", "holds", "read by"), ("---",) * 5]
    for it in STORED:
        rows.append((f"`{it.name}`", it.kind.__name__, "yes" if it.is_sealed else "", it.holds, ", ".join(it.read_by)))
    return _table(rows)


def notice_table() -> str:
    rows = [("what", "told when it has lasted"), ("---",) * 2]
    rows += [(it.what, rough_duration(it.after_ms) if it.after_ms else "at once") for it in POLICIES.values()]
    return _table(rows)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
