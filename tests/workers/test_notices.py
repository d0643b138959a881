"""What is told of what is wrong, and when: once at the beginning, once at the end, and nothing of a blip."""

import pytest

from stormalert.health.finding import Level
from stormalert.units import SECOND_MS
from workers.notices import STEADY_MS, UNSEEN_MS, Incident, Notice, Reading, look

# 2026-11-23 10:00:00 in India.
TEN_MS = 1_795_408_200_000
AFTER_MS = 60 * SECOND_MS


def reading(is_bad: bool | None, since_ms: int = 0, level: Level = Level.BAD) -> Reading:
    return Reading("feed", is_bad, "Feed down", "See /settings", "The feed is back", level, AFTER_MS, since_ms)


class Looks:
    """Looks one after the other, as the watch does; `told` are the headlines."""

    def __init__(self) -> None:
        self.known: dict[str, Incident] = {}
        self.notices: list[Notice] = []

    def at(self, second: int, is_bad: bool | None, since_s: int | None = None, level: Level = Level.BAD) -> list[str]:
        since_ms = 0 if since_s is None else TEN_MS + since_s * SECOND_MS
        # As it comes back out of Redis.
        known = {name: read for name, it in self.known.items() if (read := Incident.read(name, it.text))}
        self.known, notices = look(known, [reading(is_bad, since_ms, level)], TEN_MS + second * SECOND_MS)
        self.notices += notices
        return [notice.headline for notice in notices]

    def through(self, seconds: range, is_bad: bool | None) -> list[str]:
        return [headline for second in seconds for headline in self.at(second, is_bad)]


@pytest.fixture
def looks() -> Looks:
    return Looks()


def test_what_lasts_is_told_once_and_its_end_once(looks: Looks) -> None:
    assert looks.through(range(0, 60, 3), True) == []
    assert looks.at(60, True) == ["⚠ Feed down"]
    assert looks.through(range(63, 300, 3), True) == []
    assert looks.through(range(300, 330, 3), False) == []
    assert looks.at(330, False) == ["✓ The feed is back after 5 min"]
    assert looks.through(range(333, 600, 3), False) == []
    assert looks.known == {}
    told, over = looks.notices
    assert told.details == "Since 10:00:00 IST. See /settings"
    assert over.details == "It began 10:00:00 IST."
    assert (told.level, told.incident) == (Level.BAD, "feed")
    assert (over.level, over.incident) == (Level.GOOD, "")
    assert (told.id, over.id) == (f"notice-feed-{TEN_MS}", f"notice-feed-{TEN_MS}-over")


def test_a_blip_is_not_told(looks: Looks) -> None:
    assert looks.through(range(0, 57, 3), True) == []
    assert looks.at(57, False) == []
    assert looks.through(range(60, 117, 3), True) == []
    assert looks.notices == []


def test_a_short_recovery_is_none(looks: Looks) -> None:
    looks.through(range(0, 63, 3), True)
    assert looks.through(range(63, 63 + STEADY_MS // SECOND_MS, 3), False) == []
    assert looks.at(100, True) == []
    assert looks.through(range(103, 130, 3), False) == []
    assert looks.at(140, False) == ["✓ The feed is back after 1 min 43 s"]


def test_what_cannot_be_told_now_begins_nothing_and_ends_nothing(looks: Looks) -> None:
    looks.through(range(0, 30, 3), True)
    assert looks.at(30, None) == []
    assert looks.known == {}
    looks.through(range(33, 96, 3), True)
    assert len(looks.notices) == 1
    assert looks.through(range(96, 3_600, 60), None) == []
    assert looks.known["feed"].is_told


def test_who_says_since_when_is_believed(looks: Looks) -> None:
    assert looks.at(0, True, since_s=-59) == []
    assert looks.at(1, True, since_s=-59) == ["⚠ Feed down"]
    assert looks.at(200, False, since_s=121) == ["✓ The feed is back after 3 min"]


def test_another_process_neither_repeats_nor_forgets(looks: Looks) -> None:
    looks.through(range(0, 63, 3), True)
    again = Looks()
    again.known = looks.known
    # Hours later, for nothing ran meanwhile.
    assert again.at(7_200, True) == []
    assert again.at(7_300, False, since_s=7_250) == ["✓ The feed is back after 2 h"]


def test_what_nobody_looked_at_for_long_is_timed_anew(looks: Looks) -> None:
    looks.at(0, True)
    later = 1 + UNSEEN_MS // SECOND_MS
    assert looks.through(range(later, later + 60, 3), True) == []
    assert looks.at(later + 60, True) == ["⚠ Feed down"]


def test_a_process_that_takes_over_at_once_gives_the_same_id(looks: Looks) -> None:
    looks.through(range(0, 60, 3), True)
    taken_over = Looks()
    taken_over.known = dict(looks.known)
    assert looks.at(60, True) == taken_over.at(66, True)
    assert looks.notices[0].id == taken_over.notices[0].id


def test_what_another_version_kept_is_no_incident() -> None:
    assert Incident.read("feed", "{") is None
    assert Incident.read("feed", '{"since": 1}') is None
    assert Incident.read("feed", "None") is None


def test_what_gets_worse_is_told_once_more(looks: Looks) -> None:
    assert looks.at(0, True, since_s=-90, level=Level.WAIT) == ["⚠ Feed down"]
    assert looks.at(3, True, level=Level.BAD) == ["⚠ Feed down"]
    assert [(it.level, it.id.removeprefix("notice-feed-")) for it in looks.notices] == [
        (Level.WAIT, f"{TEN_MS - 90_000}"),
        (Level.BAD, f"{TEN_MS - 90_000}-worse"),
    ]
    # To and fro is no news.
    assert looks.at(6, True, level=Level.WAIT) == looks.at(9, True, level=Level.BAD) == []
    assert looks.at(12, False) == [] and looks.at(42, False) == ["✓ The feed is back after 1 min 42 s"]


def test_an_untold_trouble_of_which_nothing_is_read_any_more_is_forgotten_and_a_told_one_is_kept(looks: Looks) -> None:
    looks.at(0, True)
    assert look(looks.known, [], TEN_MS + 3 * SECOND_MS) == ({}, [])
    looks.through(range(3, 70, 3), True)
    assert look(looks.known, [], TEN_MS + 99 * SECOND_MS) == (looks.known, [])
