"""Whether prices come from Kite. Nothing of a feed that is unknown: that ingest is not running is told among the processes."""

from collections.abc import Iterator

from stormalert import words
from stormalert.health.facts import Facts, FeedGap
from stormalert.health.finding import Finding, Level, sentence
from stormalert.health.limits import (
    FEED_STARTS_BAD_MS,
    FRAME_SILENT_BAD_MS,
    GAP_SHORT_MS,
    GAPS_LOST_WAIT_MS,
    GAPS_MANY_WAIT,
    GAPS_WITHIN_MS,
)
from stormalert.units import SECOND_MS, format_ist

PART = "feed"


def check_login(facts: Facts) -> Iterator[Finding]:
    state = facts.feed.get("state")
    if not facts.is_feed_known:
        return
    if state == "login_needed":
        # Kite looks at the token only when a socket connects: one that is open may stream on.
        prices = "prices come only while the open connection lasts" if _comes(facts) else "no prices come"
        reason = str(facts.feed.get("reason") or "").rstrip(".")
        because = f" ({reason})" if reason else ""
        before = "" if facts.is_open else f", before {format_ist(facts.opens_ms)}"
        yield Finding(
            Level.BAD if facts.opens_soon else Level.WAIT,
            PART,
            f"Kite login needed: {prices}{because}",
            f"Log in under Admin, Kite{before}.",
            _since_ms(facts),
            "login",
        )
    elif state in ("connecting", "streaming", "stale"):
        yield Finding(Level.GOOD, PART, "logged in to Kite", since_ms=_since_ms(facts), name="login")


def check_feed(facts: Facts) -> Iterator[Finding]:
    """The sockets; what login_needed says of them is told by its own check."""
    feed = facts.feed
    state, since_ms = str(feed.get("state") or "starting"), _since_ms(facts)
    if not facts.is_feed_known or state == "login_needed":
        return
    reason = str(feed.get("reason") or "").rstrip(".")
    because = f": {reason}" if reason else ""
    again = "It connects again by itself; when it does not, see Kite's status page and the network."
    silent_ms = facts.now_ms - int(feed.get("frame_ms") or 0)
    starts_for_ms = facts.now_ms - since_ms if since_ms else 0
    is_missed = facts.is_open
    # What was silent before the market opened is missed since then.
    missed_since_ms = max(since_ms, facts.opens_ms)
    if state == "starting" and not (is_missed and starts_for_ms >= FEED_STARTS_BAD_MS):
        yield Finding(Level.WAIT, PART, f"The feed is starting{because}", "It takes some seconds.", since_ms, "feed")
    elif state != "streaming" and is_missed:
        few = _comes(facts) and int(feed.get("sockets") or 1) > 1
        what = "Some prices do not come" if few else "No prices come"
        yield Finding(Level.BAD, PART, f"{what}{because or ': no connection'}", again, missed_since_ms, "feed")
    elif state != "streaming":
        yield Finding(Level.WAIT, PART, f"The feed is not connected yet{because}", again, since_ms, "feed")
    elif is_missed and feed.get("frame_ms") and silent_ms >= FRAME_SILENT_BAD_MS:
        what = f"No prices come: the newest frame is {words.duration(silent_ms // SECOND_MS * SECOND_MS)} old"
        todo = "Start ingest again, and compare the clocks: python -m stormalert doctor."
        yield Finding(Level.BAD, PART, what, todo, int(feed["frame_ms"]), "feed")
    else:
        told = f"streaming, {feed.get('instruments', 0)} instruments, {feed.get('ticks_per_s', 0)} ticks/s"
        yield Finding(Level.GOOD, PART, told, since_ms=since_ms, name="feed")


def check_troubles(facts: Facts) -> Iterator[Finding]:
    """What ingest says is wrong beside the feed's state: prices still come."""
    if not facts.is_feed_known:
        return
    known = [it.name.removeprefix("trouble-") for it in facts.notices if it.name.startswith("trouble-")]
    for subject in dict.fromkeys([*facts.troubles, *known]):
        if told := facts.troubles.get(subject):
            todo = "It is looked at again by itself; docs/operations.md, Watching it."
            yield Finding(Level.WAIT, PART, sentence(told).rstrip("."), todo, name=f"trouble-{subject}")
        else:
            yield Finding(Level.GOOD, PART, f"no trouble any more: {subject}", name=f"trouble-{subject}")


def check_gaps(facts: Facts) -> Iterator[Finding]:
    short = [gap for gap in facts.gaps if _is_missed(gap, facts)]
    lost_ms = sum(gap.to_ms - gap.from_ms for gap in short)
    if lost_ms < GAPS_LOST_WAIT_MS and len(short) <= GAPS_MANY_WAIT:
        if facts.is_feed_known:
            yield Finding(Level.GOOD, PART, "no gaps lately", name="gaps")
        return
    lost = sum(gap.lost for gap in short)
    within = f"{words.rough_duration(lost_ms)} without prices in the last {words.rough_duration(GAPS_WITHIN_MS)}"
    what = f"The feed has gaps: {within}" + (f", {words.grouped(lost)} prices lost" if lost else "")
    todo = "Alerts of that time may be missing. Admin, Kite lists the gaps; several in a row speak of the network."
    yield Finding(Level.WAIT, PART, what, todo, min(gap.from_ms for gap in short), "gaps")


def _is_missed(gap: FeedGap, facts: Facts) -> bool:
    is_recent = gap.to_ms > facts.now_ms - GAPS_WITHIN_MS
    return is_recent and facts.opens_ms <= gap.from_ms and gap.to_ms - gap.from_ms < GAP_SHORT_MS


def _comes(facts: Facts) -> bool:
    """Whether frames come over any socket."""
    return facts.now_ms - int(facts.feed.get("frame_ms") or 0) < FRAME_SILENT_BAD_MS


def _since_ms(facts: Facts) -> int:
    return int(facts.feed.get("since_ms") or 0)
