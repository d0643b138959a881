"""The health check of one process: does it beat?"""

import socket
import sys
from typing import cast

from stormalert.config.settings import Settings
from stormalert.process import ALIVE_MS, REDIS_ERRORS, connect_in_thread
from stormalert.redis import keys
from stormalert.units import now_ms


def report(config: Settings, process: str) -> int:
    """Exit code: 0 when a process of this name beats on this host; a sentence and 1 otherwise."""
    try:
        with connect_in_thread(config.redis_url) as client:
            beats = cast(list[str], client.zrangebyscore(keys.BEATS, now_ms() - ALIVE_MS, "+inf"))
            ours = keys.alive(process, socket.gethostname(), 0).removesuffix("0")
            beating = any(beat.startswith(ours) for beat in beats)
    except REDIS_ERRORS as error:
        print(f"redis does not answer: {error}", file=sys.stderr)
        return 1
    if not beating:
        print(f"no process {process} beats on this host", file=sys.stderr)
    return 0 if beating else 1
