"""From an alert in its stream to three messages in the sandbox's outbox, at a steady rate of alerts.

Sandbox, dispatcher and workers are processes of their own, as `make run` starts them; both clocks are this machine's.
"""

import time
from typing import Any

from bench.fixtures import CHANNELS, NO_LIMITS, Setup, set_up, symbol_of
from bench.sizes import Sizes

USERS = 60
WARM_UP = 20
SETTLE_S = 60

Row = dict[str, Any]


def run(sizes: Sizes) -> dict[str, list[Row]]:
    with set_up(USERS, NO_LIMITS) as setup:
        processes = [("dispatch", setup.start("dispatch"))]
        processes += [("work", setup.start("work")) for _ in range(sizes.delivery_workers)]
        for command, process in processes:
            setup.wait_for_heartbeat(command, process)
        # Connections are made and code is loaded by the first messages.
        _fire(setup, 0, WARM_UP, sizes.delivery_alerts_a_second)
        _wait(setup, WARM_UP * len(CHANNELS))
        return {
            "delivery: alert appended to message at its provider": [_offer(setup, sizes)],
            "delivery: as many as there are at once": [_burst(setup, sizes)],
            "delivery: within the limits of Telegram, many chats": [_limited(sizes)],
        }


def _burst(setup: Setup, sizes: Sizes) -> Row:
    first = WARM_UP + sizes.delivery_alerts_a_second * sizes.delivery_s
    started_s = time.monotonic()
    _fire(setup, first, sizes.delivery_burst, 1_000_000)
    messages = _wait(setup, sizes.delivery_burst * len(CHANNELS))
    elapsed_s = time.monotonic() - started_s
    return {"workers": sizes.delivery_workers, "messages": len(messages), "messages a second": round(len(messages) / elapsed_s)}


def _limited(sizes: Sizes) -> Row:
    """More chats than the bot may serve in a second, and what the sandbox counted."""
    unlimited = {name: rate for name, rate in NO_LIMITS.items() if "TELEGRAM" not in name}
    with set_up(sizes.delivery_limited, unlimited) as setup:
        setup.start("dispatch")
        for _ in range(sizes.delivery_workers):
            setup.wait_for_heartbeat("work", setup.start("work"))
        _fire(setup, 0, sizes.delivery_limited, 1_000_000)
        messages = [each for each in _wait(setup, sizes.delivery_limited * len(CHANNELS)) if each["channel"] == "telegram"]
        times_ms = [message["time_ms"] for message in messages]
        rates = setup.ask("GET", "/control")["rates"]
        return {
            "workers": sizes.delivery_workers,
            "messages": len(messages),
            "messages a second": round(1_000 * (len(messages) - 1) / (max(times_ms) - min(times_ms)), 1),
            "most in any second": rates["most"]["telegram_bot"],
            "violations": sum(count for limit, count in rates["violations"].items() if limit.startswith("telegram")),
        }


def _offer(setup: Setup, sizes: Sizes) -> Row:
    alerts = sizes.delivery_alerts_a_second * sizes.delivery_s
    setup.redis.config_resetstat()
    _fire(setup, WARM_UP, alerts, sizes.delivery_alerts_a_second)
    messages = _wait(setup, alerts * len(CHANNELS))
    commands = sum(stat["calls"] for stat in setup.redis.info("commandstats").values())
    fired_ms = setup.fired_ms()
    waits_ms = sorted(message["time_ms"] - fired_ms[symbol_of(message)] for message in messages)
    first_ms = min(fired_ms[symbol_of(message)] for message in messages)
    last_ms = max(message["time_ms"] for message in messages)
    return {
        "workers": sizes.delivery_workers,
        "alerts a second": sizes.delivery_alerts_a_second,
        "messages": len(messages),
        "messages a second": round(1_000 * len(messages) / (last_ms - first_ms)),
        "p50 ms": waits_ms[len(waits_ms) // 2],
        "p99 ms": waits_ms[len(waits_ms) * 99 // 100],
        "longest ms": waits_ms[-1],
        "commands a message": round(commands / len(messages), 1),
    }


def _fire(setup: Setup, first: int, count: int, a_second: int) -> None:
    started_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started_s + number / a_second - time.monotonic()))
        setup.fire(first + number)


def _wait(setup: Setup, count: int) -> list[dict[str, Any]]:
    """The next `count` messages of the outbox."""
    messages: list[dict[str, Any]] = []
    deadline_s = time.monotonic() + SETTLE_S
    while len(messages) < count:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{len(messages)} of {count} messages arrived:\n{setup.log.read_text()[-2000:]}")
        time.sleep(0.2)
        messages += setup.new_messages()
    return messages
