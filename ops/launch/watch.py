"""What a person is told about the processes: that each is up, that one ended, that one does not get well."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ops.launch.supervisor import Status

# Longer than any start takes on a slow machine.
UNWELL_S = 60
# What answers slowly, on a machine that is busy, does answer.
SILENT_S = 10


@dataclass
class _Sight:
    pid: int = 0
    is_well: bool = False
    # Since when it has not answered, though it was well.
    silent_since_s: float | None = None
    # Whether it ever was.
    was_well: bool = False
    unwell_since_s: float = 0.0
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """`is_complaint`: the process has not been well for a minute, so the end of its log is worth showing."""

    name: str
    text: str = ""
    is_bad: bool = False
    is_complaint: bool = False


class ProcessWatch:
    def __init__(self, names: Iterable[str], now_s: float) -> None:
        self._sights = {name: _Sight(unwell_since_s=now_s) for name in names}

    def is_well(self, *names: str) -> bool:
        return all(self._sights[name].is_well for name in names)

    def look(self, statuses: Mapping[str, Status], well: set[str], now_s: float) -> list[News]:
        return [
            news
            for name, sight in self._sights.items()
            for news in _changes(name, sight, statuses[name].pid if name in statuses else 0, name in well, now_s)
        ]


def _changes(name: str, sight: _Sight, pid: int, is_well: bool, now_s: float) -> Iterable[News]:
    is_silent = sight.is_well and not is_well
    sight.silent_since_s = (now_s if sight.silent_since_s is None else sight.silent_since_s) if is_silent else None
    is_lost = sight.silent_since_s is not None and now_s - sight.silent_since_s >= SILENT_S
    if sight.is_well and (pid != sight.pid or is_lost):
        sight.unwell_since_s, sight.is_told = now_s, False
        yield News(name, "ended, and is started again" if pid != sight.pid else "does not answer", is_bad=True)
        sight.is_well = False
    if is_well and not sight.is_well:
        yield News(name, "is back" if sight.was_well else "")
        sight.is_well = sight.was_well = True
    if not sight.is_well and not sight.is_told and now_s - sight.unwell_since_s >= UNWELL_S:
        sight.is_told = True
        yield News(name, f"has not been well for {UNWELL_S} s", is_bad=True, is_complaint=True)
    sight.pid = pid
