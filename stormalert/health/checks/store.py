"""Whether the store answers, and how soon."""

from collections.abc import Iterator

from stormalert.health.facts import Facts
from stormalert.health.finding import Finding, Level
from stormalert.health.limits import STORE_SLOW_WAIT_MS
from stormalert.units import SECOND_MS

PART = "store"


def check_store(facts: Facts) -> Iterator[Finding]:
    if facts.store is None:
        return
    if facts.store.took_s is None:
        todo = "Is it running, and its address right? Rules stay armed; alerts are kept in Redis until it is back."
        yield Finding(Level.BAD, PART, f"{facts.store.headline}: nobody can sign in, and messages wait", todo, name="store")
        return
    took_ms = facts.store.took_s * SECOND_MS
    if took_ms >= STORE_SLOW_WAIT_MS:
        todo = "Is its disk or network slow?"
        yield Finding(Level.WAIT, PART, f"The store takes {took_ms:.0f} ms to answer", todo, name="store")
    else:
        yield Finding(Level.GOOD, PART, f"the store answers in {took_ms:.0f} ms", name="store")
