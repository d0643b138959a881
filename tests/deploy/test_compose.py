"""docker-compose.yml, the images and the scripts, read without Docker: what a slip in them would cost is asked here."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.launch.plan import make_plan
from ops.launch.programs import programs
from stormalert.config import elsewhere
from stormalert.config.settings import names
from stormalert.redis import acl
from tests.conftest import needed
from tests.deploy.compose_file import (
    DEMO,
    DOMAIN,
    FILE,
    OURS,
    ROOT,
    Service,
    binds_of,
    read,
    secrets_of,
    services,
    volumes_of,
)
from tests.deploy.composed import copied

DOCKERFILE = (ROOT / "Dockerfile").read_text()
SCRIPTS = (
    *(
        "deploy/prepare",
        "deploy/check",
        "deploy/answers",
        "deploy/mongo/answers.sh",
        "deploy/redis/start.sh",
        "deploy/system-packages",
    ),
    *("deploy/nginx/entrypoint.sh", "deploy/certbot/keep.sh", ".ci/run"),
)
PROCESSES: dict[str, Service] = {name: service for name, service in services().items() if service["image"] in OURS}
BUILT = {service["image"] for service in services().values() if "build" in service}
# The only ones who have to do with the world outside.
GO_OUT = {"ingest", "worker", "bot", "certbot"}
BEHIND_NGINX = {"dashboard", "relay", "bot"}


@pytest.fixture
def prepared(processes: None, tmp_path: Path) -> Path:
    """What a checkout is after deploy/prepare."""
    for name in ("deploy", "stormalert", "ops", "docker-compose.yml", "docker-compose.demo.yml", "docker-compose.tools.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    prepare(tmp_path, DOMAIN, "you@storm.test")
    return tmp_path


def prepare(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([directory / "deploy/prepare", *arguments], cwd=directory, capture_output=True, text=True)


def tool(name: str) -> str:
    """One of the development tools that come with requirements-dev.txt."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        told = f"{name} is not in this environment: {path}"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return str(path)


@pytest.mark.usefixtures("processes")
def test_it_has_the_processes_of_make_run() -> None:
    plan = make_plan({"KITE_API_KEY": "k"}, {})
    commands = {shlex.join(it.command[1:]) for it in programs(plan) if not it.is_server}
    assert {service["command"].removeprefix("python ") for service in PROCESSES.values()} == commands


@pytest.mark.parametrize("name", PROCESSES)
def test_every_command_starts_with_a_module_that_exists(name: str) -> None:
    python, dash_m, module, *_ = shlex.split(PROCESSES[name]["command"])
    assert (python, dash_m) == ("python", "-m")
    found = importlib.util.find_spec(module)
    assert found, module
    assert not found.submodule_search_locations or importlib.util.find_spec(f"{module}.__main__"), module


@pytest.mark.parametrize("name", services())
def test_every_service_is_watched_started_again_and_stopped_in_order(name: str) -> None:
    service = services()[name]
    assert service["healthcheck"]["test"]
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"]
    assert service["init"]


@pytest.mark.parametrize("name", services())
def test_every_service_has_no_more_rights_than_it_needs(name: str) -> None:
    service = services()[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0
    assert int(group) > 0
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


def nginx_connections() -> int:
    (found,) = re.findall(r"worker_connections (\d+);", (ROOT / "deploy/nginx/nginx.conf.template").read_text())
    return int(found)


@pytest.mark.parametrize("name", services())
def test_every_service_has_limits_and_its_log_is_cut(name: str) -> None:
    service = services()[name]
    assert re.fullmatch(r"\d+[mg]b?", service["mem_limit"])
    assert service["cpus"] > 0
    assert service["pids_limit"] > 0
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert service["ulimits"]["nofile"]["soft"] > nginx_connections()


def test_the_container_of_redis_has_twice_what_redis_may_hold() -> None:
    given = {it.name: it.default for it in elsewhere.COMPOSE}
    assert f"--maxmemory {given['STORM_REDIS_MEMORY']} " in services()["redis"]["command"]
    assert services()["redis"]["mem_limit"] == given["STORM_REDIS_LIMIT"]
    assert int(given["STORM_REDIS_LIMIT"].removesuffix("gb")) == 2 * int(given["STORM_REDIS_MEMORY"].removesuffix("gb"))


def test_what_only_compose_reads_has_the_defaults_that_env_example_tells() -> None:
    text = (ROOT / "docker-compose.yml").read_text() + (ROOT / "docker-compose.tools.yml").read_text()
    read = dict(re.findall(r"\$\{(STORM_\w+):-([^}]*)\}", text))
    assert {it.name: read.get(it.name, "") for it in elsewhere.COMPOSE} == {it.name: it.default for it in elsewhere.COMPOSE}


def test_only_nginx_can_be_reached_from_outside() -> None:
    assert {name: service["ports"] for name, service in services().items() if "ports" in service} == {
        "nginx": ["80:8080", "443:8443"]
    }


def test_networks_lead_only_where_somebody_has_to_go() -> None:
    of = {name: set(service["networks"]) for name, service in services().items()}
    members = {network: {name for name in of if network in of[name]} for network in read()["networks"]}
    assert members["public"] == {"nginx"}
    assert members["outside"] == GO_OUT
    assert members["edge"] == {"nginx", *BEHIND_NGINX}
    assert members["data"] == {"redis", "mongo", *PROCESSES}
    assert [name for name, network in read()["networks"].items() if (network or {}).get("internal")] == ["edge", "data"]


def test_the_dashboard_believes_nginx_and_nobody_else() -> None:
    address = services()["nginx"]["networks"]["edge"]["ipv4_address"]
    assert {service["environment"]["STORM_TRUSTED_PROXIES"] for service in PROCESSES.values()} == {address}


def test_docker_gives_nobody_an_address_that_is_meant_for_another() -> None:
    fixed = [
        (network, ip_address(how["ipv4_address"]))
        for service in services(FILE, DEMO).values()
        for network, how in dict.items(service["networks"] if isinstance(service.get("networks"), dict) else {})
        if how
    ]
    assert fixed
    for network, address in fixed:
        (config,) = read()["networks"][network]["ipam"]["config"]
        subnet, given_out = ip_network(config["subnet"]), ip_network(config["ip_range"])
        assert given_out.subnet_of(subnet)
        assert address in subnet and address not in given_out
        assert ip_address(config["gateway"]) in subnet and ip_address(config["gateway"]) not in (address, *given_out)


@pytest.mark.parametrize("name", services())
def test_every_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    waits = services()[name].get("depends_on", {})
    assert set(waits) <= set(services())
    assert all(needed == {"condition": "service_healthy"} for needed in waits.values())
    assert name not in PROCESSES or {"redis", "mongo"} <= set(waits)


def test_every_secret_and_volume_is_declared_and_used() -> None:
    used = {secret for service in services().values() for secret in secrets_of(service)}
    assert used == set(read()["secrets"])
    assert {volume for service in services().values() for volume in volumes_of(service)} == set(read()["volumes"])
    assert [path for service in services().values() for path in binds_of(service) if not path.is_file()] == []


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_is_itself_at_redis_and_mongo_and_finds_its_secrets(name: str) -> None:
    service = PROCESSES[name]
    environment, secrets = service["environment"], secrets_of(service)
    assert set(environment) <= {*names(), *(f"{each}_FILE" for each in names())}
    assert environment["STORM_REDIS_URL"] == f"redis://{name}@redis:6379/0"
    assert environment["MONGODB_URI"].startswith(f"mongodb://{name}@mongo:27017/stormalert?")
    assert secrets[f"redis_{name}"] == environment["STORM_REDIS_PASSWORD_FILE"]
    assert secrets[f"mongo_{name}"] == environment["STORM_MONGODB_PASSWORD_FILE"]
    assert {value for key, value in environment.items() if key.endswith("_FILE")} == set(secrets.values())


def test_no_secret_is_written_in_it_or_comes_from_a_variable() -> None:
    given = {key: value for service in services().values() for key, value in service.get("environment", {}).items()}
    secret = {key: value for key, value in given.items() if re.search("PASSWORD|SECRET|TOKEN|API_KEY", key)}
    assert secret
    assert all(key.endswith("_FILE") and value.startswith("/run/secrets/") for key, value in secret.items())


@pytest.mark.parametrize("image", sorted({service["image"] for service in services().values()} - BUILT))
def test_images_of_others_are_pinned_to_a_version(image: str) -> None:
    assert re.search(r":v?\d+\.\d+\.\d+(-[a-z]+)?(@sha256:[0-9a-f]{64})?$", image)


def test_prepare_makes_every_secret_that_nobody_else_may_read(prepared: Path) -> None:
    made = {path.name: path for path in (prepared / "secrets").iterdir()}
    assert {Path(secret["file"]).name for secret in read()["secrets"].values()} <= set(made)
    assert {f"redis_{user}" for user in acl.NAMES} <= set(made)
    assert {f"mongo_{user}" for user in json.loads((ROOT / "deploy/mongo/roles.json").read_text())} <= set(made)
    # The folder keeps others out; the files are for users of containers.
    assert (prepared / "secrets").stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o444}
    assert (prepared / ".env").stat().st_mode & 0o777 == 0o600
    passwords = [path.read_text() for name, path in made.items() if name != "redis_users.acl"]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password.strip()) == 64 for password in passwords)


def test_prepare_leaves_compose_its_own_lines_and_gives_the_others_to_the_processes(prepared: Path) -> None:
    compose = [f"{it.name}=1" for it in elsewhere.COMPOSE if it.name != "STORM_DOMAIN"] + ["STORM_WORKERS=4"]
    (prepared / ".env").write_text("\n".join(["# a remark", *compose, "STORM_LOG_LEVEL=DEBUG", "STORM_SESSION_DAYS=1", ""]))
    (prepared / "settings.env").write_text("STORM_SESSION_DAYS=3\n")
    assert prepare(prepared, DOMAIN, "--demo").returncode == 0
    files = "docker-compose.yml:docker-compose.tools.yml:docker-compose.demo.yml"
    told = (prepared / ".env").read_text().splitlines()
    assert set(told) == {"# a remark", *compose, f"STORM_DOMAIN={DOMAIN}", f"COMPOSE_FILE={files}"}
    assert (prepared / "settings.env").read_text().splitlines() == [
        "STORM_SESSION_DAYS=3",
        "STORM_LOG_LEVEL=DEBUG",
        "STORM_SESSION_DAYS=1",
    ]
    assert (prepared / "settings.env").stat().st_mode & 0o777 == 0o600


def test_what_prepare_makes_is_nobody_elses_to_commit() -> None:
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {".env", "settings.env", "secrets/"} <= set(ignored)


def test_the_runbook_gives_no_password_as_an_argument() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", *(ROOT / "deploy").glob("*.md")]
    argument = re.compile(r"(-e \w+=|-p |--pass\w* |-a )\"?\$\(cat secrets/")
    assert [line for page in pages for line in page.read_text().splitlines() if argument.search(line)] == []


@pytest.mark.usefixtures("processes")
def test_deploy_check_says_that_there_is_no_docker(tmp_path: Path) -> None:
    failing(tmp_path / "docker")
    path = f"{tmp_path}:{os.environ['PATH']}"
    told = subprocess.run([ROOT / "deploy/check"], env={"PATH": path}, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (3, "")
    assert "There is no Docker with compose here" in told.stderr


def test_one_service_alone_builds_an_image_so_that_nothing_unchanged_is_made_anew() -> None:
    built = [service["image"] for service in services(FILE, DEMO).values() if "build" in service]
    assert sorted(built) == sorted(set(built))
    assert set(OURS) <= set(built)


def test_prepare_keeps_what_is_there(prepared: Path) -> None:
    env = (prepared / ".env").read_text()
    # Compose reads the commands for backups too, unless somebody chose otherwise.
    assert "COMPOSE_FILE=docker-compose.yml:docker-compose.tools.yml\n" in env
    env = re.sub("COMPOSE_FILE=.*", "COMPOSE_FILE=mine.yml", env)
    (prepared / ".env").write_text(f"{env}STORM_WORKERS=4\nJWT_SECRET=ignored\n")
    before = {path.name: path.read_text() for path in (prepared / "secrets").iterdir()}
    assert prepare(prepared, "other.test").returncode == 0
    assert {path.name: path.read_text() for path in (prepared / "secrets").iterdir()} == before
    told = (prepared / ".env").read_text().splitlines()
    kept = {"STORM_CERTIFICATE_EMAIL=you@storm.test", "STORM_WORKERS=4", "COMPOSE_FILE=mine.yml"}
    assert set(told) == {*kept, "STORM_DOMAIN=other.test"}


def failing(program: Path) -> None:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)


def test_prepare_that_cannot_make_the_users_of_redis_ends_and_leaves_those_that_were_there(prepared: Path) -> None:
    users = (prepared / "secrets/redis_users.acl").read_text()
    (prepared / ".venv").unlink()
    failing(prepared / ".venv/bin/python")
    done = prepare(prepared, DOMAIN)
    assert (done.returncode, done.stdout) == (3, "")
    assert (prepared / "secrets/redis_users.acl").read_text() == users


def test_prepare_without_chance_makes_no_secret(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (prepared / "secrets/jwt_secret").unlink()
    failing(prepared / "bin/openssl")
    monkeypatch.setenv("PATH", str(prepared / "bin"), prepend=os.pathsep)
    assert prepare(prepared, DOMAIN).returncode == 3
    assert not (prepared / "secrets/jwt_secret").exists()


def test_prepare_takes_over_secrets_that_were_in_env(prepared: Path) -> None:
    shutil.rmtree(prepared / "secrets")
    (prepared / ".env").write_text(f"JWT_SECRET={'j' * 32}\n")
    assert prepare(prepared, DOMAIN).returncode == 0
    assert (prepared / "secrets/jwt_secret").read_text() == f"{'j' * 32}\n"
    assert "JWT_SECRET" not in (prepared / ".env").read_text()


@pytest.mark.parametrize("arguments", [[], [""], ["https://storm.test"], ["Storm.Test"], ["a", "b", "c"]])
def test_prepare_says_what_it_expects(prepared: Path, arguments: list[str]) -> None:
    done = prepare(prepared, *arguments)
    assert done.returncode == 2
    assert "usage: deploy/prepare DOMAIN" in done.stderr


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("file", [FILE, DEMO], ids=lambda file: file.name)
def test_it_is_as_the_compose_specification_wants_it(file: Path) -> None:
    check = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", file]
    checked = subprocess.run(check, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_docker_compose_reads_it_where_it_is_installed(prepared: Path) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    for files in (["-f", FILE.name], ["-f", FILE.name, "-f", DEMO.name]):
        done = subprocess.run(["docker", "compose", *files, "config", "--quiet"], cwd=prepared, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("processes")
def test_the_dockerfile_has_no_fault_that_hadolint_knows() -> None:
    checked = subprocess.run([tool("hadolint"), ROOT / "Dockerfile"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_each_image_is_pinned_and_runs_as_somebody_without_rights() -> None:
    stages = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]
    for stage in stages:
        base, _, name = stage.splitlines()[0].partition(" AS ")
        assert base == "app" or re.search(r":v?\d+\.\d+\.\d+", base), base
        users = re.findall(r"^USER (\d+):(\d+)$", stage, re.MULTILINE)
        assert name in ("packages", "source") or int(users[-1][0]) > 0, name
    built = {service["build"]["target"]: service["user"] for service in services().values() if "build" in service}
    for stage in stages:
        name = stage.splitlines()[0].partition(" AS ")[2]
        if name in built:
            assert f"\nUSER {built[name]}\n" in stage


def test_packages_are_held_against_their_hashes_and_nothing_is_compiled_in_the_image() -> None:
    assert "--require-hashes --only-binary :all:" in DOCKERFILE
    assert "apt-get" not in DOCKERFILE


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = re.findall(r"^COPY (?!--from)(\S+) ", DOCKERFILE, re.MULTILINE)
    assert set(copied()) < set(sources)
    assert [source for source in sources if source not in kept or not (ROOT / source).exists()] == []
    assert (ROOT / ".dockerignore").read_text().startswith("*\n")


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_have_no_fault_that_shellcheck_knows(script: str) -> None:
    checked = subprocess.run([needed("shellcheck"), ROOT / script], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert re.match("#!/bin/(ba)?sh\n", (ROOT / script).read_text())
    assert os.access(ROOT / script, os.X_OK)


class Workflow:
    """.github/workflows/ci.yml"""

    file = ROOT / ".github" / "workflows" / "ci.yml"
    # YAML takes `on` for a boolean.
    told: dict[Any, Any] = yaml.safe_load(file.read_text())
    jobs: dict[str, Any] = told["jobs"]


@pytest.mark.usefixtures("processes")
def test_the_workflow_is_as_github_wants_it() -> None:
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        check = [tool("check-jsonschema"), "--builtin-schema", schema, Workflow.file]
        checked = subprocess.run(check, capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout


def test_the_workflow_may_read_and_nothing_else_and_its_actions_are_pinned() -> None:
    assert Workflow.told["permissions"] == {"contents": "read"}
    steps = [step for job in Workflow.jobs.values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40}", action)] == []
    assert all(step["with"]["persist-credentials"] is False for step in steps if "checkout" in step.get("uses", ""))


def test_the_workflow_runs_all_that_the_issue_of_a_public_home_asks_for() -> None:
    job = Workflow.jobs["test"]
    rows = job["strategy"]["matrix"]["include"]
    assert {row["python"] for row in rows} == {"3.11", "3.12", "3.13"}
    servers = {re.sub(r"^.*?(\w+):(\d+)\..*$", r"\1 \2", row["server"]) for row in rows}
    assert servers == {"redis 7", "redis 8", "valkey 9"}
    assert job["services"]["mongo"]
    given = job["env"]
    assert {"STORM_TEST_MONGO_URL", "STORM_TEST_REDIS_URL"} <= set(given) & elsewhere.NAMES
    assert any(step.get("run") == ".ci/run" for step in job["steps"])


def test_the_workflow_starts_what_a_server_starts() -> None:
    job = Workflow.jobs["compose"]
    assert "container" not in job
    done = [step["run"] for step in job["steps"] if "run" in step]
    assert done == ["deploy/check"]
