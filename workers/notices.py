"""When admins are told that something is wrong, and when that it is over: once each, and neither for a blip.

Pure. What was seen and told is a handful of incidents, which the caller keeps between two looks.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

from stormalert import words
from stormalert.health.finding import Level
from stormalert.units import SECOND_MS

# What was told is over when it has been well for so long; else it still is the same incident.
STEADY_MS = 30 * SECOND_MS
# What nobody looked at for so long may have been well meanwhile: it is timed anew, unless it was told already.
UNSEEN_MS = 20 * SECOND_MS

# Behind the id of an incident that is told once more, because it got worse.
WORSE = "-worse"


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing that may be wrong, as it is now.

    `is_bad` is None when nobody can tell, or it does not matter now: then nothing begins and nothing ends.
    """

    # Letters, digits, _ and -: it becomes part of message ids.
    name: str
    is_bad: bool | None
    headline: str = ""
    details: str = ""
    # In words, before "after 3 min".
    over: str = ""
    # How bad it is: what is BAD comes with a sound.
    level: Level = Level.BAD
    # It must have lasted so long to be told.
    after_ms: int = 0
    # Since when it is so, bad or well; 0 when only the looking tells.
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is wrong, or was until a moment ago."""

    name: str
    since_ms: int
    over: str
    # The last look at which it was not told yet.
    seen_ms: int
    is_told: bool = False
    # Since when it is well again; 0 while it is not.
    well_ms: int = 0
    # For the pages that list what is wrong now; the level is the worst that was told.
    headline: str = ""
    level: Level = Level.BAD

    @property
    def id(self) -> str:
        """Of the message that tells it; the same whoever makes it."""
        return f"notice-{self.name}-{self.since_ms}"

    @property
    def text(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if name != "name"})

    @classmethod
    def read(cls, name: str, text: str) -> Self | None:
        """None when another version wrote it."""
        try:
            kept = cls(name, **json.loads(text))
            return replace(kept, level=Level(kept.level))
        except (ValueError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to every admin."""

    id: str
    headline: str
    details: str
    level: Level
    # What it tells the beginning of; empty when it tells an end.
    incident: str = ""


def look(known: Mapping[str, Incident], readings: Iterable[Reading], now_ms: int) -> tuple[dict[str, Incident], list[Notice]]:
    """The incidents after this look, and what is to be told of them."""
    after = dict(known)
    notices = []
    seen = set()
    for reading in readings:
        seen.add(reading.name)
        incident, notice = _next(after.pop(reading.name, None), reading, now_ms)
        if incident is not None:
            after[reading.name] = incident
        if notice is not None:
            notices.append(notice)
    # Of what nobody was told and nothing is read any more there is nothing to tell.
    return {name: it for name, it in after.items() if it.is_told or name in seen}, notices


def _next(incident: Incident | None, reading: Reading, now_ms: int) -> tuple[Incident | None, Notice | None]:
    if reading.is_bad is None:
        return (incident if incident and incident.is_told else None), None
    if not reading.is_bad:
        return _well(incident, reading, now_ms) if incident and incident.is_told else (None, None)
    if incident is None or (not incident.is_told and now_ms - incident.seen_ms > UNSEEN_MS):
        incident = Incident(reading.name, min(reading.since_ms or now_ms, now_ms), reading.over, now_ms, level=reading.level)
    incident = replace(incident, well_ms=0, headline=reading.headline)
    is_worse = reading.level is Level.BAD and incident.level is not Level.BAD
    if incident.is_told and not is_worse:
        return incident, None
    incident = replace(incident, level=Level.BAD if is_worse else incident.level)
    if not incident.is_told:
        incident = replace(incident, seen_ms=now_ms)
        if now_ms - incident.since_ms < reading.after_ms:
            return incident, None
    details = f"Since {words.moment(incident.since_ms, now_ms)} IST. {reading.details}"
    told_again = WORSE if incident.is_told else ""
    notice = Notice(f"{incident.id}{told_again}", f"⚠ {reading.headline}", details, reading.level, incident.name)
    return replace(incident, is_told=True), notice


def _well(incident: Incident, reading: Reading, now_ms: int) -> tuple[Incident | None, Notice | None]:
    well_ms = incident.well_ms or min(max(reading.since_ms or now_ms, incident.since_ms), now_ms)
    if now_ms - well_ms < STEADY_MS:
        return replace(incident, well_ms=well_ms), None
    headline = f"✓ {incident.over} after {words.rough_duration(well_ms - incident.since_ms)}"
    details = f"It began {words.moment(incident.since_ms, now_ms)} IST."
    return None, Notice(f"{incident.id}-over", headline, details, Level.GOOD)
