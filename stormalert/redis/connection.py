"""A connection of redis-py's that is lost as one: whatever becomes of it, the error is the one that everybody is prepared for.

What is written to a transport that was reset a moment ago fails in uvloop with a RuntimeError, and on a connection that another
task has just given up with an AttributeError; redis-py lets both through.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError


@contextmanager
def told_as_lost() -> Iterator[None]:
    """Raises redis-py's ConnectionError."""
    try:
        yield
    except AttributeError as error:
        raise RedisConnectionError(f"a connection was closed while it was being made: {error}") from error
    except RuntimeError as error:
        if "closed" not in str(error):
            raise
        raise RedisConnectionError(f"a connection was closed while it was written to: {error}") from error


class _ToldAsLost(AbstractConnection):
    async def connect(self) -> None:
        with told_as_lost():
            await super().connect()  # type: ignore[no-untyped-call]

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        with told_as_lost():
            await super().send_packed_command(*args, **kwargs)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        with told_as_lost():
            return await super().read_response(*args, **kwargs)


def made_of(plain: type[AbstractConnection]) -> type[AbstractConnection]:
    """The same over TCP, TLS or a socket of the machine."""
    return type(f"ToldAsLost{plain.__name__}", (_ToldAsLost, plain), {})
