"""Connections that are reset under a command that is being written, on the loop that the processes run on."""

from typing import Any

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from stormalert import process


@pytest.mark.parametrize("end", ["abort", "close"])
def test_what_is_written_to_a_connection_that_was_reset_fails_as_a_lost_connection_and_the_next_is_a_new_one(
    redis_url: str, end: str
) -> None:
    async def main() -> None:
        client = process.connect(redis_url)
        await client.ping()
        # The one that is taken next.
        getattr(connection_of(client)._writer.transport, end)()
        with pytest.raises(RedisConnectionError, match="closed while it was written to"):
            await client.ping()
        assert await client.ping()
        await client.aclose()

    uvloop.run(main())


def test_a_pipeline_and_a_subscription_are_lost_in_the_same_way(redis_url: str) -> None:
    async def main() -> None:
        client = process.connect(redis_url)
        await client.ping()
        connection_of(client)._writer.transport.abort()
        async with client.pipeline(transaction=False) as pipe:
            pipe.incr("n")
            with pytest.raises(RedisConnectionError):
                await pipe.execute()
        async with client.pubsub() as topics:
            await topics.subscribe("a")
            topics.connection._writer.transport.abort()
            with pytest.raises(RedisConnectionError):
                await topics.subscribe("b")
        assert await client.get("n") is None
        await client.aclose()

    uvloop.run(main())


def connection_of(client: Any) -> Any:
    (connection,) = client.connection_pool._available_connections
    return connection
