"""GET /metrics: the figures of every process on every machine, for Prometheus.

Each process tells its own in its heartbeat, and any dashboard serves those of all: one address to scrape, wherever processes
come and go. names.py lists them.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dashboard import resources
from dashboard.metrics.families import families
from stormalert.health.facts import Facts
from stormalert.health.reading import read_facts, read_more
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

# Below Prometheus' own time-out.
ANSWER_WITHIN_S = 8


async def metrics(_request: Request) -> Response:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            redis, config = resources.loop_redis(), resources.config()
            facts = replace(await read_facts(redis, config), **await read_more(redis, resources.store(), config))
    except (*REDIS_ERRORS, TimeoutError) as error:
        log.warning("metrics not read", extra={"reason": type(error).__name__})
        return PlainTextResponse("Redis does not answer.\n", 503)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Read(facts))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Read(Collector):
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def collect(self) -> Iterator[Metric]:
        return families(self._facts)
