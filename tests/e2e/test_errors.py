"""What cannot be used is said in a sentence each, with its place and what was expected, and never as a traceback."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.product import checkout

pytestmark = pytest.mark.e2e

PROCESSES = (
    *(
        "ingest",
        "evaluator",
        "workers dispatch",
        "workers work",
        "workers bot",
        "workers board",
        "dashboard",
        "dashboard.relay",
    ),
    *("stormalert run", "stormalert healthy ingest", "stormalert add-admin asha"),
)
BAD_SETTINGS = {
    "STORM_PORT": "abc",
    "STORM_WORKERS": "0",
    "STORM_REDIS_URL": "http://somewhere",
    "JWT_SECRET": "too-short-a-secret",
    "STORM_PROT": "8501",
}
SETTINGS_PROBLEMS = {
    "setting STORM_PROT is not a setting",
    "setting STORM_REDIS_URL: expected a URL that begins with redis:// or rediss:// or unix:// or redis+cluster:// or "
    "rediss+cluster://",
    "setting JWT_SECRET: expected at least 32 characters (make one with: openssl rand -hex 32)",
    "setting STORM_PORT: Input should be a valid integer, unable to parse string as an integer",
    "setting STORM_WORKERS: Input should be greater than or equal to 1",
}
MINUTE = "INFY,20240304,09:16,100.00,101.00,99.00,100.50,0,0\n"
TICKS = "time,symbol,price\n1000,INFY,100\n"
RULES = "id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at\nfirst,INFY,rolling,up,2,300s,every,60s,\n"


@dataclass
class Place:
    """Where commands run: a checkout without settings, and files beside it."""

    directory: Path
    checkout: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.directory), "STORM_VAR": str(self.directory / "var")}

    def refusal(self, command: str, *arguments: str, exit_code: int = 2, settings: Mapping[str, str] | None = None) -> str:
        """What the command says on stderr before it ends with the exit code, having done nothing."""
        done = subprocess.run(
            [sys.executable, "-m", *command.split(), *arguments],
            cwd=self.checkout,
            env={**self.environment, **(settings or {})},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr
        assert (done.returncode, done.stdout) == (exit_code, ""), done.stderr
        assert not (self.directory / "var").exists()
        return done.stderr

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def replay_refusal(self, ticks: str = TICKS, rules: str = RULES) -> str:
        out = self.directory / "A.csv"
        files = ("--ticks", self.file("T.csv", ticks), "--rules", self.file("R.csv", rules), "--out", str(out))
        said = self.refusal("evaluator replay", *files)
        assert not out.exists()
        return said.replace(f"{self.directory}/", "")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, checkout(tmp_path))


@pytest.mark.parametrize("command", PROCESSES)
def test_every_bad_setting_is_named_at_once_and_no_value_shown(place: Place, command: str) -> None:
    said = place.refusal(command, settings=BAD_SETTINGS)
    assert set(said.splitlines()) == SETTINGS_PROBLEMS
    assert BAD_SETTINGS["JWT_SECRET"] not in said


def test_a_bad_line_of_the_env_file_is_named_by_its_number_and_not_shown(place: Place) -> None:
    (place.checkout / ".env").write_text("STORM_PORT=8501\nsome-secret\n")
    assert place.refusal("stormalert run") == "setting .env:2: expected NAME=value\n"


def test_a_data_directory_that_is_none_is_named(place: Place) -> None:
    file = place.file("a-file", "")
    said = place.refusal("stormalert run", exit_code=1, settings={"STORM_VAR": file})
    assert said == f"STORM_VAR: cannot write in {file}: File exists\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": the file is empty"),
        (TICKS.splitlines()[0], ": there is no tick in it"),
        (f"{MINUTE}INFY,20240304,09:17,100.00\n", ":2: expected symbol,date,time,open,high,low,close,volume,oi, was"),
        (MINUTE.replace("09:16", "9h16"), ":1: expected YYYYMMDD,HH:MM, was '20240304,9h16'"),
        (
            f"{MINUTE}{MINUTE.replace('100.50', 'free')}",
            ":2: price must be rupees in whole paise, above 0",
        ),
        (MINUTE.replace("100.50", "105"), ":1: open and close must lie between low and high, was '100.00,101.00,99.00,105'"),
        (f"{TICKS}soon,INFY,100\n", ":3: time must be epoch milliseconds until the year 2106, was 'soon'"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused_with_its_line(place: Place, text: str, problem: str) -> None:
    file = place.file("minutes.csv", text)
    said = place.refusal("stormalert demo-replay", file)
    assert said.startswith(f"{file}{problem}")
    assert len(said.splitlines()) == 1


def test_a_recording_that_is_not_there_is_named(place: Place) -> None:
    missing = str(place.directory / "none.csv")
    assert place.refusal("stormalert demo-replay", missing) == f"{missing}: No such file or directory\n"


def test_every_bad_row_of_the_ticks_is_named_with_its_line(place: Place) -> None:
    said = place.replay_refusal(ticks=f"{TICKS}now,INFY,1\n2000,,1\n2000,INFY,-1\n2000,INFY\n")
    assert said.splitlines() == [
        "T.csv:3: time must be epoch milliseconds, was 'now'",
        "T.csv:4: symbol is empty",
        "T.csv:5: price must be above 0 and at most 8000000 rupees, was '-1'",
        "T.csv:6: a row has 3 columns, this one has 2",
    ]


def test_every_bad_row_of_the_rules_is_named_with_its_line(place: Place) -> None:
    bad = ["first,INFY,rolling,up,2,300s,every,,", "b,INFY,day,up,2,,every,,", "c,INFY,rolling,left,2,300s,every,,"]
    bad += ["d,INFY,rolling,up,2.345,300s,every,,", "e,INFY,rolling,up,2,5,every,,", "f,INFY,trailing,up,2,300s,once,,"]
    said = place.replay_refusal(rules=RULES + "\n".join(bad))
    assert said.splitlines() == [
        "R.csv:3: id 'first' stands in an earlier row",
        "R.csv:4: kind must be rolling or trailing, was 'day'",
        "R.csv:5: direction must be up, down or both, was 'left'",
        "R.csv:6: percent must be a number with at most 2 decimals, was '2.345'",
        "R.csv:7: window must be a whole number and a unit such as 300s, 5m or 1h, was '5'",
        "R.csv:8: window must be empty for a trailing rule (a pause after an alert is its cooldown), was '5m'",
    ]


def test_a_file_with_another_header_is_told_the_right_one(place: Place) -> None:
    assert place.replay_refusal(ticks="a,b\n") == "T.csv:1: the header must be time,symbol,price, was 'a,b'\n"


def test_ctrl_c_while_a_recording_is_read_ends_without_a_traceback(place: Place) -> None:
    endless = place.directory / "endless.csv"
    os.mkfifo(endless)
    reading = subprocess.Popen(
        [sys.executable, "-m", "stormalert", "demo-replay", str(endless)],
        cwd=place.checkout,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        writer = open_when_read(endless)
        os.killpg(reading.pid, signal.SIGINT)
        said, _ = reading.communicate(timeout=60)
        os.close(writer)
    finally:
        reading.kill()
        reading.wait()
    assert (reading.returncode, said) == (-signal.SIGINT, b"")


def open_when_read(pipe: Path, within_s: float = 60) -> int:
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            # Nobody has opened it yet.
            if error.errno != errno.ENXIO or time.monotonic() > deadline_s:
                raise
            time.sleep(0.02)
