from stormalert.batches import batched


def test_cuts_in_order_and_keeps_the_rest() -> None:
    assert list(batched(range(5), 2)) == [[0, 1], [2, 3], [4]]


def test_of_nothing_there_is_no_batch() -> None:
    assert list(batched([], 3)) == []
