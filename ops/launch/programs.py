"""The processes of one machine, and how one sees that each is well."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ops.launch.plan import LOOPBACK, RunPlan
from ops.launch.ports import Port
from stormalert.redis.embedded import lasting_server


@dataclass(frozen=True, slots=True)
class Program:
    """One process; well when its URL answers or, without one, when its heartbeat is there."""

    name: str
    command: tuple[str, ...]
    # Servers start first and stop last.
    is_server: bool = False
    heartbeat: str = ""
    url: str = ""
    # On top of everybody's.
    environment: dict[str, str] = field(default_factory=dict)


def programs(plan: RunPlan) -> list[Program]:
    """In the order in which they start."""
    config = plan.settings
    found = [_beating(name) for name in ("ingest", "evaluator")]
    found.append(Program("dispatch", _python("workers", "dispatch"), heartbeat="dispatch"))
    found += [Program(f"worker-{n}", _python("workers", "work"), heartbeat="worker") for n in range(1, config.workers + 1)]
    found.append(Program("bot", _python("workers", "bot"), heartbeat="bot"))
    found.append(Program("relay", _python("dashboard.relay"), heartbeat="relay"))
    found.append(Program("dashboard", _python("dashboard"), url=f"{plan.dashboard_url}/healthz"))
    found.append(Program("board", _python("workers", "board"), url=plan.board_url))
    return [*_servers(plan), *(_signed_in(plan, each) for each in found)]


def ports(plan: RunPlan) -> list[Port]:
    config = plan.settings
    found = [
        Port(config.port, "STORM_PORT", config.host),
        Port(config.relay_port, "STORM_RELAY_PORT", config.host),
        Port(config.queue_board_port, "STORM_QUEUE_BOARD_PORT", config.host),
    ]
    if config.telegram_webhook_url:
        found.append(Port(config.bot_port, "STORM_BOT_PORT", config.host))
    if plan.is_redis_ours:
        found.append(Port(config.redis_port, "STORM_REDIS_PORT", LOOPBACK))
    if plan.is_demo:
        found += [
            Port(config.sandbox_http_port, "STORM_SANDBOX_HTTP_PORT", LOOPBACK),
            Port(config.sandbox_ws_port, "STORM_SANDBOX_WS_PORT", LOOPBACK),
            Port(config.sandbox_smtp_port, "STORM_SANDBOX_SMTP_PORT", LOOPBACK),
        ]
    return found


def _servers(plan: RunPlan) -> Iterator[Program]:
    if plan.is_redis_ours:
        yield Program("redis", lasting_server(plan.valkey, plan.valkey_conf), is_server=True)
    if plan.is_demo:
        yield Program("sandbox", _sandbox(plan), is_server=True, url=f"{plan.sandbox_url}/")


def _sandbox(plan: RunPlan) -> tuple[str, ...]:
    config = plan.settings
    command = _python(
        "sandbox",
        *("--http-port", str(config.sandbox_http_port)),
        *("--ws-port", str(config.sandbox_ws_port)),
        *("--smtp-port", str(config.sandbox_smtp_port)),
        *("--state-dir", str(plan.data / "sandbox")),
        *("--twilio-inbound-url", f"{plan.dashboard_url}/callbacks/whatsapp"),
        *("--kite-redirect-url", f"{plan.dashboard_url}/kite/callback"),
    )
    if plan.recording:
        command += ("--play", str(plan.recording.file.absolute()), "--speed", f"{plan.recording.speed:g}")
    return command


def _signed_in(plan: RunPlan, program: Program) -> Program:
    """With a user of its own in our Redis; all workers are one."""
    if not plan.is_redis_ours:
        return program
    return replace(program, environment=plan.redis_user(program.name.partition("-")[0]))


def _beating(name: str) -> Program:
    return Program(name, _python(name), heartbeat=name)


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
