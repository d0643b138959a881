import stat
from configparser import RawConfigParser
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from ops.launch.files import supervisor_conf, write_private, write_run_env, write_valkey_conf
from ops.launch.plan import make_plan
from ops.launch.programs import programs
from stormalert.config.settings import parse, read_file

pytestmark = pytest.mark.usefixtures("processes")


def sections(text: str) -> RawConfigParser:
    found = RawConfigParser()
    found.read_string(text)
    return found


def conf(logs: Path = Path("/data/log"), tether: tuple[str, ...] = ("tether",)) -> str:
    return supervisor_conf(programs(make_plan({}, {})), logs, Path("/run/s.sock"), Path("/here"), tether)


def test_servers_stop_after_everything_that_uses_them() -> None:
    found = sections(conf())
    assert found["group:servers"]["programs"] == "redis,sandbox"
    assert int(found["group:servers"]["priority"]) < int(found["group:storm"]["priority"])


def test_every_process_is_tethered_and_logs_with_rotation() -> None:
    found = sections(conf())
    processes = [found[name] for name in found.sections() if name.startswith("program:")]
    assert len(processes) == len(programs(make_plan({}, {})))
    assert all(it["command"].startswith("tether ") and int(it["stdout_logfile_maxbytes"]) for it in processes)


def test_a_percent_sign_in_a_path_is_taken_literally(tmp_path: Path) -> None:
    logs = tmp_path / "100%over"
    logs.mkdir()
    path = tmp_path / "supervisord.conf"
    path.write_text(conf(logs))
    # As supervisord itself reads it.
    options = ServerOptions()
    options.realize(["-c", str(path)], doc="")
    assert options.logfile == str(logs / "supervisord.log")
    files = [process.stdout_logfile for group in options.process_group_configs for process in group.process_configs]
    assert set(files) == {str(logs / f"{it.name}.log") for it in programs(make_plan({}, {}))}


def test_a_path_with_a_space_stays_one_word() -> None:
    assert sections(conf(tether=("/my tether",)))["program:redis"]["command"].startswith("'/my tether' ")


def test_no_secret_is_in_the_configuration(tmp_path: Path) -> None:
    plan = make_plan({"STORM_VAR": str(tmp_path)}, {})
    text = supervisor_conf(programs(plan), plan.logs, tmp_path / "s", tmp_path, ())
    assert not [name for name in ("JWT_SECRET", "STORM_MASTER_SECRET", "STORM_REDIS_URL") if plan.chosen[name] in text]


def test_run_env_gives_the_settings_that_were_planned(tmp_path: Path) -> None:
    given = {"STORM_VAR": str(tmp_path)}
    plan = make_plan(given, {})
    write_run_env(plan)
    assert parse(read_file(tmp_path / "run.env") | given) == plan.settings


def test_files_with_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    plan = make_plan({"STORM_VAR": str(tmp_path)}, {})
    write_run_env(plan)
    write_valkey_conf(plan)
    for path in (tmp_path / "run.env", plan.valkey_conf, *plan.redis_passwords.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_could_read_is_replaced_by_one_they_cannot(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
