"""Two clocks, ours and somebody else's. Pure."""

from stormalert.health.finding import Finding, bad, good, wait
from stormalert.health.limits import CLOCK_BAD_MS, CLOCK_WAIT_MS

_ADVICE = (
    "synchronise this machine's clock (timedatectl set-ntp true): sessions, gaps, second factors and Kite's login go by it"
)


def judge_clock(subject: str, ours_ms: int, theirs_ms: int, *, exact_ms: int) -> Finding:
    """`exact_ms`: how exactly the other clock tells its time: it stands at the beginning of that span."""
    ahead_ms = ours_ms - theirs_ms
    # Within the span that it does not tell, both agree.
    off_ms = ahead_ms if ahead_ms < 0 else max(0, ahead_ms - exact_ms)
    if abs(off_ms) < CLOCK_WAIT_MS:
        return good(subject, "agrees with ours")
    found = f"{abs(off_ms) / 1_000:,.1f} s {'behind' if off_ms > 0 else 'ahead of'} ours"
    return bad(subject, found, _ADVICE) if abs(off_ms) >= CLOCK_BAD_MS else wait(subject, found, _ADVICE)
