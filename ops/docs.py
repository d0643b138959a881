"""The documents that are made from the code: .env.example, and the key table in docs/ARCHITECTURE.md."""

from pathlib import Path

from stormalert.config.settings import env_example
from stormalert.redis.keys import TABLE

ROOT = Path(__file__).resolve().parent.parent
ENV_EXAMPLE = ROOT / ".env.example"
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
_BEGIN, _END = "<!-- keys: made by `make docs` -->", "<!-- end of keys -->"


def write() -> None:
    ENV_EXAMPLE.write_text(env_example())
    ARCHITECTURE.write_text(with_key_table(ARCHITECTURE.read_text()))


def with_key_table(text: str) -> str:
    """The document with the table between its two marks made anew."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{key_table()}{_END}{after}"


def key_table() -> str:
    rows = [("key", "type", "holds", "writer", "bound", "backup"), ("---",) * 6]
    rows += [(f"`{it.key}`", it.type, it.holds, it.writer, it.bound, it.backup) for it in TABLE]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
