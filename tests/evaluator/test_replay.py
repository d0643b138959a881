import csv
import subprocess
import sys
from pathlib import Path

import redis

TICKS = "time,symbol,price\n1000,INFY,100\n2000,INFY,102\n2500,TCS,50\n3000,INFY,101.9999\n4000,INFY,99.96\n"
RULES = """id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at
up,INFY,rolling,both,2,60s,every,1s,
drop,INFY,trailing,down,2,,once,,
idle,TCS,rolling,up,2,60s,every,,
"""
ALERTS = [
    "time,rule,symbol,direction,price,reference",
    "2000,up,INFY,up,102.00,100.00",
    "4000,drop,INFY,down,99.96,102.00",
    "4000,up,INFY,down,99.96,102.00",
]


def run_replay(directory: Path, *more: str, ticks: str = TICKS, rules: str = RULES) -> subprocess.CompletedProcess[str]:
    (directory / "T.csv").write_text(ticks)
    (directory / "R.csv").write_text(rules)
    files = [f"--{name}={directory / file}" for name, file in (("ticks", "T.csv"), ("rules", "R.csv"), ("out", "A.csv"))]
    command = [sys.executable, "-m", "evaluator", "replay", *files, *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_replay_on_its_own_server_writes_the_alerts_in_firing_order(tmp_path: Path) -> None:
    done = run_replay(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "A.csv").read_text().splitlines() == ALERTS


def test_replay_on_a_given_server_leaves_nothing_behind_and_touches_nothing(tmp_path: Path, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.set("storm:{s0}:mine", "kept")
        done = run_replay(tmp_path, "--redis", redis_url)
        assert (done.returncode, done.stderr) == (0, "")
        assert client.keys() == ["storm:{s0}:mine"]
    assert (tmp_path / "A.csv").read_text().splitlines() == ALERTS


def test_bad_rows_end_with_exit_code_2_before_anything_runs(tmp_path: Path) -> None:
    done = run_replay(tmp_path, ticks=TICKS + "5000,INFY,free\n")
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path}/T.csv:7: price must be a decimal number, was 'free'\n"
    assert not (tmp_path / "A.csv").exists()


def test_a_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run_replay(tmp_path, "--redis", "redis://127.0.0.1:1/0")
    assert done.returncode == 2
    assert done.stderr.startswith("redis at --redis cannot be used: ")
    assert len(done.stderr.splitlines()) == 1


def test_ids_and_symbols_with_commas_and_quotes_come_back_as_they_were(tmp_path: Path) -> None:
    rules = 'id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at\n"a, ""b""",M&M,rolling,up,1,10s,once,,\n'
    done = run_replay(tmp_path, ticks="time,symbol,price\n1,M&M,100\n2,M&M,101\n", rules=rules)
    assert done.returncode == 0
    with (tmp_path / "A.csv").open(newline="") as file:
        assert [row["rule"] for row in csv.DictReader(file)] == ['a, "b"']
