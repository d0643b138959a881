"""The health check of one process: does it beat?"""

import socket
import sys

import redis

from stormalert import keys
from stormalert.settings import Settings


def report(config: Settings, process: str) -> int:
    """Exit code: 0 when a process of this name beats on this host; a sentence and 1 otherwise."""
    try:
        with redis.Redis.from_url(config.redis_url, socket_timeout=3, socket_connect_timeout=3) as client:
            beating = any(True for _ in client.scan_iter(keys.alive_on(socket.gethostname(), process), count=1000))
    except redis.RedisError as error:
        print(f"redis does not answer: {error}", file=sys.stderr)
        return 1
    if not beating:
        print(f"no process {process} beats on this host", file=sys.stderr)
    return 0 if beating else 1
