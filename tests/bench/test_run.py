import json
import shutil
import subprocess
import sys
from pathlib import Path


def test_a_quick_run_measures_every_part_and_writes_it_as_json(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "bench", "--quick", f"--out={out}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_800)
    assert (done.returncode, done.stderr) == (0, "")
    tables = json.loads(out.read_text())["tables"]
    assert [title.partition(":")[0] for title in tables] == [
        "scale",
        "lively",
        "memory",
        "memory",
        "latency",
        "peers",
        "decoder",
        "decoder",
        "ingest",
        "sandbox",
        *["delivery"] * 3,
        *["phone"] * 2,
        *["pixels", "pages"] * (shutil.which("chromium") is not None),
        "relay",
        "backup",
    ]
    assert all(title in done.stdout and rows for title, rows in tables.items())
    (whole_way,) = next(rows for title, rows in tables.items() if title.startswith("phone: print"))
    assert {name: whole_way[name] for name in ("prints", "alerts", "missing", "doubles", "others")} == {
        "prints": 20,
        "alerts": 20,
        "missing": 0,
        "doubles": 0,
        "others": 0,
    }


def test_a_part_that_is_not_there_is_one_sentence() -> None:
    done = subprocess.run([sys.executable, "-m", "bench", "speed"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("error: there is no part speed")
