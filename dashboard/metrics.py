"""GET /metrics: what every process leaves in Redis, for Prometheus."""

import logging
import re
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dashboard import resources
from dashboard.status import NEEDED, Status, read_status
from stormalert.process import REDIS_ERRORS

log = logging.getLogger("stormalert")

_NO_METRIC = frozenset({"name", "process"})


async def metrics(_request: Request) -> Response:
    try:
        status = await read_status(resources.loop_redis(), resources.config())
    except REDIS_ERRORS as error:
        log.warning("metrics not read", extra={"reason": type(error).__name__})
        return PlainTextResponse("Redis does not answer.\n", 503)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(status))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Found(Collector):
    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("stormalert_up", "Whether a process of this kind beats.", labels=["kind"])
        beating = {process["name"] for process in self._status["processes"]}
        for kind in sorted({*NEEDED, *beating}):
            up.add_metric([kind], float(kind in beating))
        yield up
        waiting = GaugeMetricFamily("stormalert_waiting", "Entries of a stream that nobody has read.", labels=["stream"])
        for stream, count in self._status["waiting"].items():
            waiting.add_metric([stream], count)
        yield waiting
        state = GaugeMetricFamily("stormalert_feed_state", "1 for the state that the Kite feed is in.", labels=["state"])
        state.add_metric([str(self._status["feed"].get("state", "unknown"))], 1)
        yield state
        yield from self._feed()
        yield from self._processes()

    def _feed(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._status["feed"].items():
            if isinstance(value, int | float):
                yield GaugeMetricFamily(f"stormalert_feed_{_name(name)}", f"The feed's {name}.", value=value)

    def _processes(self) -> Iterator[GaugeMetricFamily]:
        families: dict[str, GaugeMetricFamily] = {}
        for process in self._status["processes"]:
            for name, value in process.items():
                if name in _NO_METRIC or not isinstance(value, int | float):
                    continue
                key = f"stormalert_{process['name']}_{_name(name)}"
                if key not in families:
                    told = f"What {process['name']} tells as {name}."
                    families[key] = GaugeMetricFamily(key, told, labels=["process"])
                families[key].add_metric([str(process["process"])], value)
        yield from families.values()


def _name(text: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", text)
