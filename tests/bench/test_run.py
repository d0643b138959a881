import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import ALL
from tests.browser.watching import CHROMIUM

BROWSER = shutil.which(CHROMIUM) is not None
# What the titles of each part's tables begin with; the parts that are run when none is named are all here.
TABLES = {
    "engine": ["scale", "lively", "memory", "memory", "latency", "peers"],
    "decoder": ["decoder", "decoder"],
    "ingest": ["ingest"],
    "sandbox": ["sandbox"],
    "delivery": ["delivery"] * 3,
    "phone": ["phone"] * 2,
    "pixels": ["pixels"] * BROWSER,
    "pages": ["pages"] * BROWSER,
    "nodes": ["relay", "backup"],
}


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1_200)


@pytest.mark.alone
@pytest.mark.parametrize("part", ALL)
def test_a_quick_run_measures_every_part_and_writes_it_as_json(tmp_path: Path, part: str) -> None:
    out = tmp_path / "results.json"
    done = bench("--quick", f"--out={out}", part)
    # Said from December on, until somebody has entered those of the next year.
    complaints = [line for line in done.stderr.splitlines() if "no holidays are known for" not in line]
    assert (done.returncode, complaints) == (0, [])
    tables = json.loads(out.read_text())["tables"]
    assert [title.partition(":")[0] for title in tables] == TABLES[part]
    assert all(title in done.stdout and rows for title, rows in tables.items())
    for title, rows in tables.items():
        if title.startswith("phone: print"):
            whole_way = {name: rows[0][name] for name in ("prints", "alerts", "missing", "doubles", "others")}
            assert (len(rows), whole_way) == (1, {"prints": 20, "alerts": 20, "missing": 0, "doubles": 0, "others": 0})


def test_a_part_that_is_not_there_is_one_sentence() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: there is no part speed")
