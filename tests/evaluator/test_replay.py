import csv
import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from stormalert.model import Direction, Kind, Repeat, Rule, Tick
from stormalert.redis.keys import Shard
from stormalert.rules.kinds import KINDS
from stormalert.units import DAY_MS, HOUR_MS, format_price
from tests.evaluator.oracle import OracleMarket

pytestmark = pytest.mark.usefixtures("processes")

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
    return subprocess.run(command, capture_output=True, text=True, timeout=180)


def test_replay_on_its_own_server_writes_the_alerts_in_firing_order(tmp_path: Path) -> None:
    done = run_replay(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "A.csv").read_text().splitlines() == ALERTS


def test_replay_on_a_given_server_leaves_nothing_behind_and_touches_nothing(tmp_path: Path, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        mine = Shard("s0").quote(1)
        client.set(mine, "kept")
        done = run_replay(tmp_path, "--redis", redis_url)
        assert (done.returncode, done.stderr) == (0, "")
        assert client.keys() == [mine]
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


def test_day_and_gap_rules_are_measured_from_the_recordings_own_closes_and_a_level_rule_from_its_price(tmp_path: Path) -> None:
    # Two instruments, one after the other, over three Indian days; the days of the second begin within the same call.
    first_ms = 1_700_000_000_000 // DAY_MS * DAY_MS + 4 * HOUR_MS
    moves = itertools.cycle((100, 101, 103, 99, 97, 100, 104, 96, 102))
    ticks = [
        (symbol, Tick(token, next(moves) * 10_000 + day * 5_000, first_ms + day * DAY_MS + minute * 60_000))
        for token, symbol in ((1, "INFY"), (2, "TCS"))
        for day in range(3)
        for minute in range(40)
    ]
    rules = [
        Rule(id=f"{kind}-{token}", user="u", token=token, symbol=symbol, kind=kind, direction=Direction.BOTH,
             percent_e2=0 if kind is Kind.LEVEL else 250, price_e4=1_015_000 if kind is Kind.LEVEL else 0,
             repeat=Repeat.EVERY, cooldown_ms=HOUR_MS if KINDS[kind].needs_close else 60_000)
        for token, symbol in ((1, "INFY"), (2, "TCS"))
        for kind in (Kind.DAY, Kind.GAP, Kind.LEVEL, Kind.TRAILING)
    ]  # fmt: skip
    rows = ["id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at,price"]
    for rule in rules:
        amount = ("", "101.50") if rule.kind is Kind.LEVEL else ("2.5", "")
        rows.append(f"{rule.id},{rule.symbol},{rule.kind},both,{amount[0]},,every,{rule.cooldown_ms}ms,,{amount[1]}")
    written = "".join(f"{tick.time_ms},{symbol},{format_price(tick.price_e4)}\n" for symbol, tick in ticks)
    done = run_replay(tmp_path, ticks="time,symbol,price\n" + written, rules="\n".join(rows) + "\n")
    assert (done.returncode, done.stderr) == (0, "")

    # Filled as days end; a market takes over a mapping that is not empty.
    closes_e4 = {0: 0}
    market = OracleMarket(closes_e4)
    for rule in rules:
        # Without a close they are still: as if it were armed on the second day.
        market.arm(rule.model_copy(update={"armed_at_ms": first_ms + DAY_MS if KINDS[rule.kind].needs_close else 0}))
    expected, before = [], {}
    for _, tick in ticks:
        if tick.token in before and before[tick.token].time_ms // DAY_MS != tick.time_ms // DAY_MS:
            closes_e4[tick.token] = before[tick.token].price_e4
        before[tick.token] = tick
        expected += [
            f"{it.time_ms},{it.rule},{rules[0].symbol if it.rule.endswith('1') else 'TCS'},{it.direction},"
            f"{format_price(it.price_e4)},{format_price(it.reference_e4)}"
            for it in market.tick(tick)
        ]
    assert (tmp_path / "A.csv").read_text().splitlines()[1:] == expected
    assert {row.split(",")[1] for row in expected} == {rule.id for rule in rules}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,INFY,day,up,2,,every,,,100", "price must be empty for a day rule, was '100.00'"),
        ("a,INFY,rolling,up,2,5m,every,,", "a row has 10 columns, this one has 9"),
    ],
)
def test_a_bad_row_of_a_rules_file_with_prices_is_refused(tmp_path: Path, row: str, reason: str) -> None:
    header = "id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at,price\n"
    done = run_replay(tmp_path, rules=f"{header}{row}\n")
    assert (done.returncode, done.stderr) == (2, f"{tmp_path}/R.csv:2: {reason}\n")


def test_progress_is_told_and_too_many_alerts_end_it(tmp_path: Path) -> None:
    ticks = "time,symbol,price\n" + "".join(f"{n * 1000},INFY,{100 + n % 2}\n" for n in range(12_000))
    rules = "id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at\nall,INFY,rolling,up,0.5,60s,every,0s,\n"
    done = run_replay(tmp_path, "--progress", ticks=ticks, rules=rules)
    told = [line.split() for line in done.stdout.splitlines()[:-1]]
    assert told == [["progress", str(count), "12000"] for count in (5_000, 10_000, 12_000)]
    (tmp_path / "A.csv").unlink()
    done = run_replay(tmp_path, "--alerts-max=100", ticks=ticks, rules=rules)
    assert (done.returncode, done.stderr) == (2, "there are more than 100 alerts\n")
    assert not (tmp_path / "A.csv").exists()


@pytest.mark.parametrize("is_stopped", [True, False], ids=["stopped", "left by whoever listened"])
def test_a_replay_that_is_not_wanted_any_more_leaves_no_server_and_no_file(tmp_path: Path, is_stopped: bool) -> None:
    for name, text in (("T", "time,symbol,price\n" + "".join(f"{n},INFY,100\n" for n in range(100_000))), ("R", RULES)):
        (tmp_path / f"{name}.csv").write_text(text)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    files = [f"--{name}={tmp_path / file}" for name, file in (("ticks", "T.csv"), ("rules", "R.csv"), ("out", "A.csv"))]
    command = [sys.executable, "-m", "evaluator", "replay", *files, "--progress"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stderr
        assert process.stdout.readline().startswith("progress 5000")
        assert len(list(temporary.iterdir())) == 1
        if is_stopped:
            process.send_signal(signal.SIGTERM)
        else:
            process.stdout.close()
        # Ends when the last process that holds it ends: the server inherited it.
        assert process.stderr.read() == ""
        assert process.wait(60) == (128 + signal.SIGTERM if is_stopped else 1)
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "A.csv").exists()
