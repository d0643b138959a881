"""The documents that are made from the code: .env.example, and four tables in docs/ARCHITECTURE.md."""

from collections.abc import Iterable
from pathlib import Path

from stormalert import channels, words
from stormalert.channels import ChannelKind
from stormalert.config.settings import Settings, env_example
from stormalert.config.stored import STORED
from stormalert.notify.description import ChannelDescription, RateLimit
from stormalert.redis.keys import FAMILIES
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
    made = {"keys": key_table, "stored settings": stored_table, "channels": channel_table, "notices": notice_table}
    for name, table in made.items():
        begin, end = (mark.format(name) for mark in _MARKS)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{table()}{end}{after}"
    return text


def key_table() -> str:
    rows = [(f"`{it.name}`", it.type, it.holds, it.writer, it.bound, it.backup) for it in FAMILIES]
    return _table(("key", "type", "holds", "writer", "bound", "backup"), rows)


def stored_table() -> str:
    rows = [(f"`{it.name}`", it.kind.__name__, "yes" if it.is_sealed else "", it.holds, ", ".join(it.read_by)) for it in STORED]
    return _table(("setting", "type", "sealed", "holds", "read by"), rows)


def channel_table() -> str:
    head = ("channel", "needs", "messages", "tells", "beside that")
    return _table(head, [_channel(channels.of(kind)) for kind in ChannelKind])


def _channel(it: ChannelDescription) -> tuple[str, ...]:
    config = Settings.model_validate({})
    rates = ", ".join(_rate(limit) for limit in it.limits(it.demo(config).address, config))
    return (
        it.name,
        ", ".join(f"`{name}`" for name in it.needs),
        rates or "as many as there are",
        ", ".join(it.reports),
        it.remarks,
    )


def _rate(limit: RateLimit) -> str:
    return f"{limit.most} in {words.duration(limit.window_ms)}" + (" to one address" if limit.of else "")


def notice_table() -> str:
    rows = [(it.what, words.rough_duration(it.after_ms) if it.after_ms else "at once") for it in POLICIES.values()]
    return _table(("what", "told when it has lasted"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows))
