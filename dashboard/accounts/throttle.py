"""Slows down guessing of passwords and codes, by name and by address, with pauses that double.

The first tries are free; every further one is followed by a pause of 1, 2, 4 ... seconds, up to five minutes. A success, or
fifteen quiet minutes, starts anew. Names and addresses are kept as digests only.
"""

import hashlib
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from redis.asyncio import Redis

from stormalert.redis import keys
from stormalert.units import MINUTE_MS, SECOND_MS

PAUSE_MAX_MS = 5 * MINUTE_MS
FREE_PER_NAME = 4
# An office shares one address.
FREE_PER_ADDRESS = 20


@dataclass(frozen=True, slots=True)
class Subject:
    """What tries are counted for."""

    digest: str
    free: int


def of_name(name: str) -> Subject:
    return Subject(_digest(f"name {name}"), FREE_PER_NAME)


def of_device(device: str) -> Subject:
    """In the place of the name, for a browser in which its user signed in before."""
    return Subject(_digest(f"device {device}"), FREE_PER_NAME)


def of_code(user: str) -> Subject:
    """Codes of a second factor."""
    return Subject(_digest(f"code {user}"), FREE_PER_NAME)


def of_address(address: str) -> Subject:
    try:
        found = ip_address(address)
    except ValueError:
        return Subject(_digest(f"address {address}"), FREE_PER_ADDRESS)
    # Whoever has one IPv6 address has all of its /64.
    network = ip_network((found, 64), strict=False) if found.version == 6 else found
    return Subject(_digest(f"address {network}"), FREE_PER_ADDRESS)


def pause_ms(tries: int, free: int) -> int:
    """How long nobody may try again after that many tries in a row."""
    beyond = tries - free
    return 0 if beyond < 0 else min(SECOND_MS << min(beyond, 20), PAUSE_MAX_MS)


async def take_a_try(redis: Redis, subjects: list[Subject]) -> int:
    """0 when a password may be checked now, and counts that; else how many ms to wait. Counts first, so that many tries at
    the same moment do not all pass."""
    waits = [await redis.pttl(keys.sign_in_pause(subject.digest)) for subject in subjects]
    if max(waits) > 0:
        return max(waits)
    for subject in subjects:
        async with redis.pipeline(transaction=True) as pipe:
            pipe.incr(keys.sign_ins(subject.digest))
            pipe.expire(keys.sign_ins(subject.digest), keys.sign_ins.kept_s)
            tries, _ = await pipe.execute()
        pause = pause_ms(tries, subject.free)
        if pause and not await redis.set(keys.sign_in_pause(subject.digest), tries, px=pause, nx=True):
            return max(await redis.pttl(keys.sign_in_pause(subject.digest)), SECOND_MS)
    return 0


async def forget(redis: Redis, subjects: list[Subject]) -> None:
    """After a success."""
    for subject in subjects:
        await redis.delete(keys.sign_ins(subject.digest), keys.sign_in_pause(subject.digest))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
