"""Runs the benchmarks, prints their tables and writes them as JSON."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from bench import delivery, engine, ingest, latency, memory, nodes, pages, phone, pixels, sandbox, scale, versus
from bench.sizes import FULL, QUICK, Sizes

RESULTS = Path(__file__).parent / "results.json"

Tables = dict[str, list[dict[str, Any]]]
PARTS: dict[str, Callable[[Sizes], Tables]] = {
    "engine": engine.run,
    "decoder": ingest.run,
    "delivery": delivery.run,
    "phone": phone.run,
    "pixels": pixels.run,
    "pages": pages.run,
    "nodes": nodes.run,
    "ingest": lambda sizes: uvloop.run(ingest.measure(sizes)),
    "sandbox": lambda sizes: uvloop.run(sandbox.measure(sizes)),
    # Parts of `engine`.
    "scale": lambda sizes: uvloop.run(scale.measure(sizes)),
    "memory": lambda sizes: uvloop.run(memory.measure(sizes)),
    "latency": lambda sizes: uvloop.run(latency.measure(sizes)),
    "peers": lambda sizes: uvloop.run(versus.measure(sizes)),
}
ALL = ("engine", "decoder", "ingest", "sandbox", "delivery", "phone", "pixels", "pages", "nodes")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; without any: {', '.join(ALL)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, not how fast")
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file to write; default bench/results.json")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    sizes = QUICK if arguments.quick else FULL
    results: dict[str, Any] = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "quick": arguments.quick,
        "tables": {},
    }
    for name in arguments.parts or ALL:
        for title, rows in PARTS[name](sizes).items():
            results["tables"][title] = rows
            print(f"\n{title}\n\n{_table(rows)}", flush=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwritten to {arguments.out}")


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [list(rows[0]), *([_cell(row.get(name, "")) for name in rows[0]] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cell(value: object) -> str:
    return value if isinstance(value, str) else f"{value:,}"


if __name__ == "__main__":
    main()
