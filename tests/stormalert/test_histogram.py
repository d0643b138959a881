from hypothesis import given
from hypothesis import strategies as st

from stormalert.histogram import BOUNDS_MS, Counted, Histogram

Notes = st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(0, 1_000)))


@given(notes=Notes)
def test_what_was_noted_is_read_back(notes: list[tuple[int, int]]) -> None:
    histogram = Histogram()
    for took_ms, times in notes:
        histogram.note(took_ms, times)
    counted = Counted.read(histogram.text)
    assert counted is not None
    assert sum(counted.by_bucket) == sum(times for _, times in notes)
    assert counted.sum_ms == sum(took_ms * times for took_ms, times in notes)
    for place, bound_ms in enumerate(BOUNDS_MS):
        assert sum(counted.by_bucket[: place + 1]) == sum(times for took_ms, times in notes if took_ms <= bound_ms)


def test_a_text_of_other_buckets_or_of_something_else_is_none() -> None:
    assert [Counted.read(text) for text in ("", "1 2 3", "polling", " ".join(["x"] * (len(BOUNDS_MS) + 2)))] == [None] * 4
