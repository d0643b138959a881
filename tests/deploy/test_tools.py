"""docker-compose.tools.yml: as confined as the processes, with no more rights than each needs, and commands that there are."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from stormalert.redis import acl
from tests.deploy.compose_file import FILE, OURS, ROOT, read, secrets_of, services

TOOLS = ROOT / "docker-compose.tools.yml"
NAMES = sorted(set(services(FILE, TOOLS)) - set(services()))


def test_a_backup_that_was_cut_short_takes_nobodys_place() -> None:
    (line,) = re.findall(r"^    30 2 .*$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert re.search(r"> (backups/.*) && gzip -t \1 && mv \1 ", line)


def test_there_are_a_backup_a_restore_and_a_doctor() -> None:
    assert NAMES == ["backup", "doctor", "restore"]


def test_the_doctor_has_what_the_dashboard_has_and_a_way_out() -> None:
    doctor, dashboard = services(FILE, TOOLS)["doctor"], services()["dashboard"]
    assert set(doctor["networks"]) == {"data", "outside"} and not doctor["depends_on"]
    assert {*doctor["environment"].items()} <= {*dashboard["environment"].items()}
    assert secrets_of(doctor) == secrets_of(dashboard)


@pytest.mark.parametrize("name", NAMES)
def test_a_tool_is_as_confined_as_a_process_and_only_runs_when_asked(name: str) -> None:
    tool, process = services(FILE, TOOLS)[name], services()["ingest"]
    for what in ("user", "read_only", "cap_drop", "security_opt", "tmpfs", "init"):
        assert tool[what] == process[what]
    assert name == "doctor" or tool["networks"] == ["data"]
    assert (tool["image"], tool["profiles"]) == (OURS[0], ["tools"])
    # Nobody can pull it.
    assert tool["build"] == process["build"]
    assert tool["pids_limit"] and tool["mem_limit"] and tool["cpus"]


@pytest.mark.parametrize(("name", "redis", "mongo"), [("backup", "backup", "backup"), ("restore", acl.ADMIN, "root")])
def test_a_tool_signs_in_as_who_may_do_its_work(name: str, redis: str, mongo: str) -> None:
    tool = services(FILE, TOOLS)[name]
    assert tool["environment"]["STORM_REDIS_URL"].startswith(f"redis://{redis}@")
    assert tool["environment"]["MONGODB_URI"].startswith(f"mongodb://{mongo}@")
    assert set(secrets_of(tool)) == {f"redis_{redis}", f"mongo_{mongo}", "master_secret"}
    assert set(secrets_of(tool)) <= set(read(FILE, TOOLS)["secrets"])
    assert {path for path in tool["environment"].values() if path.startswith("/run/")} == set(secrets_of(tool).values())


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("name", ["backup", "restore"])
def test_a_tool_says_in_a_sentence_that_redis_does_not_answer(name: str, tmp_path: Path) -> None:
    tool = services(FILE, TOOLS)[name]
    places = {"/run/secrets/redis_password": "redis", "/run/secrets/mongo_password": "mongo", "/run/secrets/master_secret": "m"}
    for place in places.values():
        (tmp_path / place).write_text("s" * 32)
    environment = {
        key: str(tmp_path / places[value]) if value in places else value for key, value in tool["environment"].items()
    } | {"STORM_REDIS_URL": "redis://backup@127.0.0.1:1/0"}
    command = [sys.executable, *tool["command"].split()[1:]]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment | {"PYTHONPATH": str(ROOT)}, input=b"", capture_output=True, timeout=180
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == "redis at STORM_REDIS_URL does not answer\n"
