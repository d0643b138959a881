"""Asks every process whether it is well."""

import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping

import redis

from ops.launch.programs import Program
from ops.launch.supervisor import Status
from stormalert.redis import keys

ASK_S = 2


class Health:
    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def well(self, programs: Iterable[Program], statuses: Mapping[str, Status]) -> set[str]:
        """Names of the processes that are up and answer."""
        return {
            it.name for it in programs if (status := statuses.get(it.name)) and status.pid and self._is_well(it, status.pid)
        }

    def _is_well(self, program: Program, pid: int) -> bool:
        if program.url:
            return answers(program.url)
        try:
            if program.heartbeat:
                return bool(self._redis.exists(keys.alive(program.heartbeat, socket.gethostname(), pid)))
            return bool(self._redis.ping())
        except redis.RedisError:
            return False


def answers(url: str) -> bool:
    """Whatever it says, short of an error of its own: pages for signed-in people refuse us, and are well."""
    try:
        with urllib.request.urlopen(url, timeout=ASK_S) as answer:  # noqa: S310 - our own address
            return int(answer.status) < 500
    except urllib.error.HTTPError as refusal:
        return refusal.code < 500
    except (OSError, http.client.HTTPException):
        return False
