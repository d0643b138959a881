"""The engine: more and more rules, memory, latency, and its peers side by side."""

from typing import Any

import uvloop

from bench import latency, memory, scale, versus
from bench.sizes import Sizes

Tables = dict[str, list[dict[str, Any]]]


def run(sizes: Sizes) -> Tables:
    return uvloop.run(_measure(sizes))


async def _measure(sizes: Sizes) -> Tables:
    return {title: rows for part in (scale, memory, latency, versus) for title, rows in (await part.measure(sizes)).items()}
