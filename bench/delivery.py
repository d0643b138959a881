"""From an alert in its stream to three messages in the sandbox's outbox, at a steady rate of alerts.

Sandbox, dispatcher and workers are processes of their own, as `make run` starts them; both clocks are this machine's.
"""

import time
from typing import Any

from bench.sizes import Sizes
from bench.stand import CHANNELS, NO_LIMITS, Stand, standing, symbol_of

USERS = 60
WARM_UP = 20
SETTLE_S = 60

Row = dict[str, Any]


def run(sizes: Sizes) -> dict[str, list[Row]]:
    with standing(USERS, NO_LIMITS) as stand:
        processes = [("dispatch", stand.start("dispatch"))]
        processes += [("work", stand.start("work")) for _ in range(sizes.delivery_workers)]
        for command, process in processes:
            stand.wait_for_heartbeat(command, process)
        # Connections are made and code is loaded by the first messages.
        _fire(stand, 0, WARM_UP, sizes.delivery_alerts_a_second)
        _wait(stand, WARM_UP * len(CHANNELS))
        return {
            "delivery: alert appended to message at its provider": [_offer(stand, sizes)],
            "delivery: as many as there are at once": [_burst(stand, sizes)],
            "delivery: within the limits of Telegram, many chats": [_limited(sizes)],
        }


def _burst(stand: Stand, sizes: Sizes) -> Row:
    first = WARM_UP + sizes.delivery_alerts_a_second * sizes.delivery_s
    started_s = time.monotonic()
    _fire(stand, first, sizes.delivery_burst, 1_000_000)
    messages = _wait(stand, sizes.delivery_burst * len(CHANNELS))
    elapsed_s = time.monotonic() - started_s
    return {"workers": sizes.delivery_workers, "messages": len(messages), "messages a second": round(len(messages) / elapsed_s)}


def _limited(sizes: Sizes) -> Row:
    """More chats than the bot may serve in a second, and what the sandbox counted."""
    unlimited = {name: rate for name, rate in NO_LIMITS.items() if "TELEGRAM" not in name}
    with standing(sizes.delivery_limited, unlimited) as stand:
        stand.start("dispatch")
        for _ in range(sizes.delivery_workers):
            stand.wait_for_heartbeat("work", stand.start("work"))
        _fire(stand, 0, sizes.delivery_limited, 1_000_000)
        messages = [each for each in _wait(stand, sizes.delivery_limited * len(CHANNELS)) if each["channel"] == "telegram"]
        times_ms = [message["time_ms"] for message in messages]
        rates = stand.ask("GET", "/control")["rates"]
        return {
            "workers": sizes.delivery_workers,
            "messages": len(messages),
            "messages a second": round(1_000 * (len(messages) - 1) / (max(times_ms) - min(times_ms)), 1),
            "most in any second": rates["most"]["telegram_bot"],
            "violations": sum(count for limit, count in rates["violations"].items() if limit.startswith("telegram")),
        }


def _offer(stand: Stand, sizes: Sizes) -> Row:
    alerts = sizes.delivery_alerts_a_second * sizes.delivery_s
    stand.redis.config_resetstat()
    _fire(stand, WARM_UP, alerts, sizes.delivery_alerts_a_second)
    messages = _wait(stand, alerts * len(CHANNELS))
    commands = sum(stat["calls"] for stat in stand.redis.info("commandstats").values())
    fired_ms = stand.fired_ms()
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


def _fire(stand: Stand, first: int, count: int, a_second: int) -> None:
    started_s = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, started_s + number / a_second - time.monotonic()))
        stand.fire(first + number)


def _wait(stand: Stand, count: int) -> list[dict[str, Any]]:
    """The next `count` messages of the outbox."""
    messages: list[dict[str, Any]] = []
    deadline_s = time.monotonic() + SETTLE_S
    while len(messages) < count:
        if time.monotonic() > deadline_s:
            raise RuntimeError(f"{len(messages)} of {count} messages arrived:\n{stand.log.read_text()[-2000:]}")
        time.sleep(0.2)
        messages += stand.new_messages()
    return messages
