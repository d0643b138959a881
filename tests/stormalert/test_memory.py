from stormalert.memory import resident_bytes

MIB = 2**20


def test_memory_that_is_held_counts() -> None:
    before = resident_bytes()
    held = b"x" * (64 * MIB)
    assert 60 * MIB < resident_bytes() - before < 80 * MIB
    assert len(held) == 64 * MIB
