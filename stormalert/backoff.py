"""How long to wait before the next try: twice as long after each failure, up to a bound, and never all at the same moment."""

from redis.backoff import EqualJitterBackoff

# Beyond it every bound is reached, and 2.0 ** 1,024 is no number any more.
_FAILURES_MAX = 32


def pause_s(failures: int, *, first_s: float, longest_s: float) -> float:
    """Seconds, from half of `first_s` x 2^failures up to the whole, `longest_s` at most; `failures` from 0."""
    return float(EqualJitterBackoff(cap=longest_s, base=first_s).compute(min(failures, _FAILURES_MAX)))
