import pytest

from stormalert.backoff import pause_s


@pytest.mark.parametrize(("failures", "whole_s"), [(0, 0.5), (1, 1.0), (5, 16.0), (6, 20.0), (5_000, 20.0)])
def test_doubles_with_each_failure_up_to_its_bound_and_never_goes_below_half(failures: int, whole_s: float) -> None:
    found_s = {pause_s(failures, first_s=0.5, longest_s=20.0) for _ in range(50)}
    assert whole_s / 2 <= min(found_s) < max(found_s) <= whole_s
