"""python -m bench: runs every benchmark, prints its table and writes bench/results.json."""

import json
import platform
from pathlib import Path
from typing import Any

from bench import engine, ingest

RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    results: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    for name, module in (("engine", engine), ("decoder", ingest)):
        results[name] = module.run()
        print(f"\n{(module.__doc__ or '').strip()}\n")
        _print_table(results[name])
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    print(f"\nwritten to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


def _print_table(rows: list[dict[str, Any]]) -> None:
    table = [
        list(rows[0]),
        *([f"{value:,}" if not isinstance(value, str) else value for value in row.values()] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


if __name__ == "__main__":
    main()
