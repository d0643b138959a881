"""Which server it is that cannot serve us now, and why, in the words that all screens use."""

from redis.exceptions import OutOfMemoryError

from stormalert.errors import StoreError, StormError
from stormalert.redis.scripts import CannotPersistError


def what_is_away(error: Exception) -> str:
    """The beginning of a sentence: of an error of Redis, or of the store."""
    if isinstance(error, StoreError):
        return error.headline
    if isinstance(error, StormError):
        return "The store does not answer"
    if isinstance(error, CannotPersistError):
        return "Redis cannot write to its disk"
    return "Redis is full" if isinstance(error, OutOfMemoryError) else "Redis does not answer"
