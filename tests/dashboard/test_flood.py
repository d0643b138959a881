"""Somebody guesses passwords from many addresses, as fast as the machine takes it; the others work on."""

import asyncio
import itertools
from collections import Counter

import httpx

from .conftest import PASSWORD, Site

PER_S, FOR_S = 200, 5
AT_ONCE = 50


async def test_the_dashboard_stays_usable_and_the_account_shut(site: Site) -> None:
    """Each try has an address of its own, which the proxy in front of the dashboard tells."""
    numbers = itertools.count()
    outcomes: Counter[int] = Counter()
    over = asyncio.Event()

    async def guess(client: httpx.AsyncClient) -> None:
        while not over.is_set():
            number = next(numbers)
            from_address = {"X-Forwarded-For": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
            # Every other one at a name of its own, so that the name's pause does not help.
            name = "mina" if number % 2 else f"name{number}"
            answer = await client.post(
                "/api/auth/login", json={"name": name, "password": f"guess{number}"}, headers=from_address
            )
            outcomes[answer.status_code] += 1

    with site.sign_in("mina") as known:
        cookies = dict(known.cookies)
        limits = httpx.Limits(max_connections=AT_ONCE + 5)
        options = {"base_url": site.url, "timeout": 300, "trust_env": False}
        async with (
            httpx.AsyncClient(**options, limits=limits) as guesser,  # type: ignore[arg-type]
            httpx.AsyncClient(**options, cookies=cookies) as user,  # type: ignore[arg-type]
            asyncio.TaskGroup() as group,
        ):
            for _ in range(AT_ONCE):
                group.create_task(guess(guesser))
            served = 0
            while sum(outcomes.values()) < PER_S * FOR_S:
                assert (await user.get("/api/rules")).status_code == 200
                assert (await user.get("/")).status_code == 200
                served += 1
            # Who signed in here before can sign in again in the midst of it.
            body = {"name": "mina", "password": PASSWORD}
            again = await user.post("/api/auth/login", json=body)
            over.set()
    assert again.status_code == 200
    assert set(outcomes) <= {401, 429, 503} and outcomes[503], outcomes
    assert served
    # Few of the guesses at the account were even looked at: pauses double, so a slow machine sees some more.
    refused = [entry for entry in site.store.audit(limit=2_000) if (entry.user, entry.action) == ("u-mina", "sign-in refused")]
    assert len(refused) <= 20
