import asyncio
import json
import ssl
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus

from tests.conftest import free_port

INFY, TCS, NIFTY, USDINR = 408065, 2953217, 256265, 412675
HEARTBEAT = b"\x00"
PATIENCE_S = 60.0


@asynccontextmanager
async def connected(sandbox: Any, *subscribed: int, mode: str = "full") -> AsyncIterator[ClientConnection]:
    address = f"{sandbox.ws}/?api_key=sandbox-key&access_token={sandbox.access_token or sandbox.log_in()}"
    async with connect(address, compression=None, ping_interval=None, max_size=None) as connection:
        if subscribed:
            await tell(connection, "subscribe", list(subscribed))
            await tell(connection, "mode", [mode, list(subscribed)])
        yield connection


async def tell(connection: ClientConnection, action: str, value: object) -> None:
    await connection.send(json.dumps({"a": action, "v": value}))


def packets_of(frame: bytes | str) -> list[bytes]:
    assert isinstance(frame, bytes)
    packets, at = [], 2
    while at < len(frame):
        length = int.from_bytes(frame[at : at + 2], "big")
        packets.append(frame[at + 2 : at + 2 + length])
        at += 2 + length
    return packets


async def first(connection: ClientConnection, wanted: Callable[[bytes], bool]) -> bytes:
    """Read on until a packet is as wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for packet in packets_of(await connection.recv()):
                if wanted(packet):
                    return packet


async def next_text(connection: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await connection.recv()
            if isinstance(message, str):
                return json.loads(message)


async def call(sandbox: Any, path: str, body: dict[str, Any] | None = None) -> Any:
    status, answer = await asyncio.to_thread(sandbox.call, "POST", path, body or {})
    assert status == 200, answer
    return answer


def last_price(packet: bytes) -> int:
    return int(struct.unpack_from(">I", packet, 4)[0])


def exchange_s(packet: bytes) -> int:
    return int(struct.unpack_from(">I", packet, 60)[0])


async def test_a_bad_token_is_refused_at_the_handshake(sandbox: Any) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{sandbox.ws}/?api_key=sandbox-key&access_token=wrong")
    assert refused.value.response.status_code == 403


async def test_the_cached_quote_comes_at_once_with_its_old_time(sandbox: Any) -> None:
    await call(sandbox, "/control/faults", {"stream": {"gap": True}})
    async with connected(sandbox) as connection:
        await asyncio.to_thread(sandbox.call, "DELETE", "/control/faults")
        asked_s = time.time()
        await tell(connection, "subscribe", [INFY, NIFTY])
        await tell(connection, "mode", ["full", [INFY, NIFTY]])
        assert len(await first(connection, lambda packet: len(packet) == 44)) == 44
        full = await first(connection, lambda packet: len(packet) == 184)
        # Its last trade may fall between the question and the answer.
        assert exchange_s(full) <= asked_s + 1


@pytest.mark.parametrize(("mode", "sizes"), [("ltp", {8}), ("quote", {28, 44}), ("full", {32, 184})])
async def test_each_mode_has_its_packets(sandbox: Any, mode: str, sizes: set[int]) -> None:
    async with connected(sandbox, INFY, NIFTY, mode=mode) as connection:
        for size in sizes:
            await first(connection, lambda packet, size=size: len(packet) == size)  # type: ignore[misc]


async def test_prices_come_stamped_with_the_wall_clock(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184 and abs(exchange_s(packet) - time.time()) < 2)


async def test_a_currency_has_more_digits(sandbox: Any) -> None:
    async with connected(sandbox, USDINR) as connection:
        packet = await first(connection, lambda packet: len(packet) == 184)
        assert 60 < last_price(packet) / 10_000_000 < 130


async def test_nothing_is_sent_after_unsubscribing_but_heartbeats(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)
        await tell(connection, "unsubscribe", [INFY])
        # Commands are taken one after the other: with the answer to this one, the other was heard.
        await connection.send("{}")
        assert (await next_text(connection))["type"] == "error"
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.recv() == HEARTBEAT
            began_s = time.monotonic()
            assert [await connection.recv() for _ in range(4)] == [HEARTBEAT] * 4
            assert 2 < time.monotonic() - began_s < 20


async def test_tokens_that_are_text_are_passed_over(sandbox: Any) -> None:
    async with connected(sandbox) as connection:
        await tell(connection, "subscribe", [str(INFY)])
        async with asyncio.timeout(PATIENCE_S):
            assert await connection.recv() == HEARTBEAT


async def test_more_than_three_thousand_tokens_are_an_error_and_the_rest_streams(sandbox: Any) -> None:
    sandbox.log_in()
    lines = (await asyncio.to_thread(sandbox.kite, "/instruments/NSE"))[1].splitlines()[1:]
    tokens = [int(line.split(",")[0]) for line in lines]
    assert len(tokens) == 3102
    async with connected(sandbox) as connection:
        await tell(connection, "subscribe", tokens)
        error = await next_text(connection)
        assert error["type"] == "error"
        assert "102 not subscribed" in error["data"]
        await first(connection, lambda packet: len(packet) == 44)


async def test_what_is_no_command_is_answered_with_an_error(sandbox: Any) -> None:
    async with connected(sandbox) as connection:
        await connection.send("{}")
        assert (await next_text(connection))["type"] == "error"


async def test_a_mute_socket_says_nothing_at_all(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await call(sandbox, "/control/faults", {"stream": {"mute": True}})
        with pytest.raises(TimeoutError):
            while True:
                await asyncio.wait_for(connection.recv(), 2.5)


async def test_a_gap_leaves_the_heartbeats_and_ends_by_itself(sandbox: Any) -> None:
    async with connected(sandbox, INFY, TCS) as connection:
        await call(sandbox, "/control/faults", {"stream": {"gap": True}, "for_s": 2.5})
        async with asyncio.timeout(PATIENCE_S):
            while await connection.recv() != HEARTBEAT:
                pass
        await first(connection, lambda packet: len(packet) == 184)


async def test_dropped_sockets_end_without_a_close_frame(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)
        assert (await call(sandbox, "/control/drop"))["dropped"] >= 1
        with pytest.raises(ConnectionClosedError):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await connection.recv()


async def test_closed_sockets_end_with_code_1000(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)
        closing = asyncio.create_task(call(sandbox, "/control/close"))
        with pytest.raises(ConnectionClosedOK):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await connection.recv()
        await closing
        assert connection.close_code == 1000


async def test_faulty_packets_come_at_the_rate_asked_for(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        usual = last_price(await first(connection, lambda packet: len(packet) == 184))
        await call(sandbox, "/control/faults", {"stream": {"zero_price": 1.0}})
        await first(connection, lambda packet: last_price(packet) == 0)
        await call(sandbox, "/control/faults", {"stream": {"zero_price": 0.0, "spike": 1.0, "spike_percent": 50}})
        await first(connection, lambda packet: last_price(packet) > usual * 1.4)
        await call(sandbox, "/control/faults", {"stream": {"spike": 0.0, "out_of_order": 1.0}})
        await first(connection, lambda packet: len(packet) == 184 and exchange_s(packet) <= time.time() - 4)


async def test_duplicates_are_the_same_packet_twice(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await call(sandbox, "/control/faults", {"stream": {"duplicates": 1.0}})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                packets = packets_of(await connection.recv())
                if len(packets) == 2 and len(packets[0]) == 184 and packets[0] == packets[1]:
                    break


async def test_a_trickle_lets_one_frame_through_at_a_time(sandbox: Any) -> None:
    async with connected(sandbox, INFY, TCS) as connection:
        await call(sandbox, "/control/faults", {"stream": {"trickle_s": 0.8}})
        await asyncio.to_thread(sandbox.call, "GET", "/control")
        arrivals = []
        async with asyncio.timeout(PATIENCE_S):
            while len(arrivals) < 6:
                if len(await connection.recv()) > 1:
                    arrivals.append(time.monotonic())
        assert arrivals[-1] - arrivals[-5] > 2.4


async def test_a_print_goes_out_at_the_price_asked_for(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)
        await call(sandbox, "/control/print", {"symbol": "NSE:INFY", "price": 1999.95, "count": 2})
        packet = await first(connection, lambda packet: last_price(packet) == 199995)
        assert struct.unpack_from(">I", packet, 32)[0] == 199995


async def test_a_print_that_is_not_kept_is_seen_once(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)
        await call(sandbox, "/control/print", {"symbol": "INFY", "price": 1, "keep": False})
        await first(connection, lambda packet: last_price(packet) == 100)
        later = await first(connection, lambda packet: len(packet) == 184)
        assert last_price(later) > 10_000 < struct.unpack_from(">I", later, 36)[0]


async def test_killed_tokens_keep_open_sockets_and_refuse_new_ones(sandbox: Any) -> None:
    async with connected(sandbox, INFY) as connection:
        assert (await call(sandbox, "/control/kill-tokens"))["killed"] == 1
        await first(connection, lambda packet: len(packet) == 184)
        with pytest.raises(InvalidStatus):
            async with connected(sandbox):
                pass
        assert (await asyncio.to_thread(sandbox.kite, "/user/profile"))[0] == 403
    sandbox.log_in()


async def test_refused_handshakes_are_403_with_a_good_token(sandbox: Any) -> None:
    sandbox.log_in()
    await call(sandbox, "/control/faults", {"stream": {"refuse": True}})
    with pytest.raises(InvalidStatus) as refused:
        async with connected(sandbox):
            pass
    assert refused.value.response.status_code == 403
    await asyncio.to_thread(sandbox.call, "DELETE", "/control/faults")
    async with connected(sandbox, INFY) as connection:
        await first(connection, lambda packet: len(packet) == 184)


async def test_the_brokers_news_is_a_text_message(sandbox: Any) -> None:
    async with connected(sandbox) as connection:
        assert (await call(sandbox, "/control/say", {"data": "Markets close early"}))["told"] >= 1
        assert await next_text(connection) == {"type": "message", "data": "Markets close early"}


async def test_the_stream_is_there_over_tls_too_unless_its_handshakes_fail(
    start_sandbox: Callable[..., Any],
) -> None:
    port = free_port()
    sandbox = await asyncio.to_thread(start_sandbox, "--instruments=20", f"--tls-port={port}")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    address = f"wss://127.0.0.1:{port}/?api_key=sandbox-key&access_token={sandbox.log_in()}"
    async with connect(address, ssl=context) as connection:
        await tell(connection, "subscribe", [INFY])
        await tell(connection, "mode", ["full", [INFY]])
        await first(connection, lambda packet: len(packet) == 184)
    await call(sandbox, "/control/faults", {"stream": {"tls_error": True}})
    # An alert, or cut before it is read.
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await connect(address, ssl=context)
