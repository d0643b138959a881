import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from stormalert.away import what_is_away
from stormalert.errors import StoreError, StormError
from stormalert.redis.scripts import CannotPersistError


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RedisConnectionError("refused"), "Redis does not answer"),
        (OutOfMemoryError("OOM"), "Redis is full"),
        (CannotPersistError("MISCONF"), "Redis cannot write to its disk"),
        (StormError("of a newer version"), "The store does not answer"),
        (StoreError("refused"), "The store does not answer"),
        (StoreError("database or disk is full", "The store's disk is full"), "The store's disk is full"),
    ],
)
def test_it_is_said_which_server_it_is_and_why(error: Exception, told: str) -> None:
    assert what_is_away(error) == told
