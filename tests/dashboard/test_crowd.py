"""A thousand pages on one relay, a hundred of which never read."""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed

from stormalert.access.sessions import ACCESS_COOKIE

from .listening import RelaySite, Stalled, new_alert, new_tokens, relay, until

PAGES, STALLED, USERS, ALERTS, A_SECOND = 900, 100, 10, 50, 50
PRICES = 500
CONNECTING_AT_ONCE = 50
MEMORY_MAX_MB = 400


@pytest.fixture
def site(redis_url: str, tmp_path: Path) -> Iterator[RelaySite]:
    with relay(redis_url, tmp_path) as site:
        yield site


def memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="looks into /proc")
async def test_each_of_a_thousand_pages_gets_each_alert_once_beside_a_hundred_that_do_not_read(site: RelaySite) -> None:
    tokens = new_tokens(PRICES)
    users = [site.user(*tokens) for _ in range(USERS)]
    sessions = [site.session(user) for user in users]
    heard: list[Counter[str]] = [Counter() for _ in range(PAGES)]
    gate, connected = asyncio.Semaphore(CONNECTING_AT_ONCE), 0
    expected = {user: set[str]() for user in users}
    is_over = asyncio.Event()

    async def listen(place: int) -> None:
        nonlocal connected
        async with gate:
            connection = await site.connecting(f"{ACCESS_COOKIE}={sessions[place % USERS]}", "/ws").__aenter__()
        connected += 1
        try:
            while not (is_over.is_set() and len(heard[place]) >= len(expected[users[place % USERS]])):
                text = await connection.recv()
                # Not the prices: to read them is the work of nine hundred machines.
                if '"alert"' in text and (frame := json.loads(text))["type"] == "alert":
                    heard[place][frame["alert"]["id"]] += 1
        except ConnectionClosed as end:
            pytest.fail(f"a page that reads was cut: {end}")
        finally:
            await connection.close()

    async with asyncio.TaskGroup() as group:
        for place in range(PAGES):
            group.create_task(listen(place))
        await until(lambda: connected == PAGES, "the pages to connect", 300)
        stalled = [await asyncio.to_thread(Stalled, site, users[n % USERS], sessions[n % USERS]) for n in range(STALLED)]
        before_mb = most_mb = memory_mb(site.process.pid)
        for number in range(ALERTS):
            alert = await asyncio.to_thread(site.write_alert, new_alert(users[number % USERS]))
            expected[alert.user].add(alert.id)
            if number % 2 == 0:
                await asyncio.to_thread(site.publish, {token: ["1384.55", "-1.10", number] for token in tokens[:100]})
                most_mb = max(most_mb, memory_mb(site.process.pid))
            await asyncio.sleep(1 / A_SECOND)
        is_over.set()
    for place, told in enumerate(heard):
        assert set(told) == expected[users[place % USERS]], f"page {place}"
        assert set(told.values()) == {1}, f"page {place}"
    assert most_mb < MEMORY_MAX_MB, f"{before_mb:.0f} MB before, {most_mb:.0f} MB at most"
    for page in stalled:
        page.socket.close()
