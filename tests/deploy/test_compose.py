"""docker-compose.yml, read without Docker."""

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from stormalert.launch.plan import make_plan
from stormalert.launch.programs import programs
from stormalert.settings import names

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "stormalert"}


def test_it_has_the_processes_of_make_run() -> None:
    plan = make_plan({"KITE_API_KEY": "k"}, {})
    commands = {shlex.join(it.command[1:]) for it in programs(plan) if not it.is_server}
    assert {service["command"].removeprefix("python ") for service in OURS.values()} == commands


@pytest.mark.parametrize("name", OURS)
def test_every_command_starts_with_a_module_that_exists(name: str) -> None:
    python, dash_m, module, *_ = shlex.split(OURS[name]["command"])
    assert (python, dash_m) == ("python", "-m")
    found = importlib.util.find_spec(module)
    assert found, module
    assert not found.submodule_search_locations or importlib.util.find_spec(f"{module}.__main__"), module


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_health_check_and_is_started_again(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", OURS)
def test_every_process_of_ours_has_no_more_rights_than_it_needs(name: str) -> None:
    service = OURS[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", OURS)
def test_every_setting_it_gives_is_one(name: str) -> None:
    assert set(OURS[name]["environment"]) <= set(names())


def test_no_secret_is_written_in_it() -> None:
    assert set(re.findall(r"(?:PASSWORD|SECRET|TOKEN)\w*: (\S+)", TEXT)) <= {"${REDIS_PASSWORD:?set", "${MONGO_PASSWORD:?set"}


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [source for source in re.findall(r"^COPY (?!--from)(\S+) ", dockerfile, re.MULTILINE)]
    assert copied
    assert [source for source in copied if source not in kept or not (ROOT / source).exists()] == []
