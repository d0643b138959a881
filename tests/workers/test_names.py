"""A name whose servers do not answer holds one thread, and no other name."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from workers.loop import Loop
from workers.names import Names

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 25))]


class Servers:
    """The name service: what is asked of a slow name waits until it is released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def __call__(self, host: str, port: int, **_: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.released.wait(60)
        if host.startswith("no"):
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return FOUND


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    servers = Servers()
    monkeypatch.setattr(socket, "getaddrinfo", servers)
    yield servers
    servers.released.set()


async def test_a_slow_name_is_asked_for_once_and_holds_up_no_other(servers: Servers) -> None:
    names = Names()
    waiting = [asyncio.create_task(names.ask("slow.example", 443)) for _ in range(50)]
    assert await names.ask("quick.example", 443) == FOUND
    waiting[0].cancel()
    assert not any(each.done() for each in waiting[1:])
    assert sorted(servers.asked) == ["quick.example", "slow.example"]
    servers.released.set()
    assert await asyncio.gather(*waiting[1:]) == [FOUND] * 49


async def test_what_failed_is_asked_for_again(servers: Servers) -> None:
    names = Names()
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            await names.ask("nobody.example", 443)
    assert servers.asked == ["nobody.example"] * 2


async def test_only_so_many_are_under_way(servers: Servers) -> None:
    names = Names(most=1)
    waiting = asyncio.create_task(names.ask("slow.example", 443))
    await asyncio.sleep(0)
    with pytest.raises(socket.gaierror, match="too many names"):
        await names.ask("another.example", 443)
    servers.released.set()
    await waiting
    assert await names.ask("another.example", 443) == FOUND


async def test_a_name_for_which_there_was_no_thread_is_asked_for_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    names = Names()
    with monkeypatch.context() as exhausted, pytest.raises(socket.gaierror, match="can't start new thread"):
        exhausted.setattr(threading.Thread, "start", refuse)
        await names.ask("quick.example", 443)
    assert await names.ask("quick.example", 443) == FOUND


def test_a_workers_loop_connects_by_these_names(servers: Servers) -> None:
    async def talk() -> tuple[str, ...]:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        async with server:
            _, writer = await asyncio.open_connection("quick.example", server.sockets[0].getsockname()[1])
            writer.close()
            return tuple(servers.asked)

    with Loop() as loop:
        assert loop.run(talk()) == ("quick.example",)
