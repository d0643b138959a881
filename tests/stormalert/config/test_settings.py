from pathlib import Path
from urllib.parse import urlencode

import pytest

from stormalert.config import settings
from stormalert.errors import SettingsError

SECRET = "s3cr3t-value-of-somebody"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to start in, and nothing of ours in the environment."""
    for name in settings.names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    settings.load.cache_clear()
    return tmp_path


def problems(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        settings.parse(environment)
    return refused.value.problems


def test_the_environment_wins_over_the_env_file_which_wins_over_what_make_run_chose(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "var").mkdir()
    (place / "var" / "run.env").write_text("STORM_PORT=1\nSTORM_RELAY_PORT=1\nSTORM_WORKERS=1\n")
    (place / ".env").write_text("# a comment\n\nSTORM_PORT=2\nSTORM_RELAY_PORT = '2'\n")
    monkeypatch.setenv("STORM_PORT", "3")
    found = settings.load()
    assert (found.port, found.relay_port, found.workers) == (3, 2, 1)


def test_an_empty_text_counts_as_not_set() -> None:
    assert settings.parse({"STORM_PORT": "", "SMTP_URL": ""}) == settings.parse({})


def test_all_problems_are_told_at_once_by_the_name_of_the_setting() -> None:
    found = problems({"STORM_PORT": "high", "STORM_REDIS_URL": "http://x", "STORM_PROT": "1", "JWT_SECRET": "short"})
    assert sorted(problem.split(":")[0].split(" ")[0] for problem in found) == [
        "JWT_SECRET",
        "STORM_PORT",
        "STORM_PROT",
        "STORM_REDIS_URL",
    ]
    assert "STORM_PROT is not a setting" in found


def test_a_name_of_another_program_is_none_of_our_business() -> None:
    assert settings.parse({"PATH": "/bin", "STORMY": "1"}) == settings.parse({})


@pytest.mark.parametrize("name", ["JWT_SECRET", "STORM_MASTER_SECRET", "MONGODB_URI", "SMTP_URL"])
def test_a_value_that_is_refused_is_not_repeated_because_it_may_be_a_secret(name: str) -> None:
    assert SECRET not in " ".join(problems({name: SECRET}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("JWT_SECRET", SECRET * 2),
        ("TELEGRAM_BOT_TOKEN", SECRET),
        ("KITE_API_SECRET", SECRET),
        ("TWILIO_AUTH_TOKEN", SECRET),
        ("MONGODB_URI", f"mongodb://u:{SECRET}@h/storm"),
        ("SMTP_URL", f"smtp://u:{SECRET}@h:587"),
    ],
)
def test_secrets_are_not_shown(name: str, value: str) -> None:
    assert SECRET not in repr(settings.parse({name: value}))


def test_a_line_that_is_no_setting_is_named_by_its_place_only(place: Path) -> None:
    (place / ".env").write_text(f"STORM_PORT=1\n{SECRET}\n")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    assert refused.value.problems == (".env:2: expected NAME=value",)


def test_a_file_that_is_no_text_is_a_sentence(place: Path) -> None:
    (place / ".env").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"\.env: not a text file"):
        settings.load()


def test_the_queue_is_on_the_same_redis_unless_it_has_its_own() -> None:
    assert settings.parse({"STORM_REDIS_URL": "redis://a/0"}).rq_url == "redis://a/0"
    assert settings.parse({"STORM_REDIS_URL": "redis://a/0", "STORM_QUEUE_URL": "redis://b/0"}).rq_url == "redis://b/0"


def test_a_value_can_come_from_a_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "secret").write_text(f"{SECRET * 2}\n")
    (place / "sid").write_text("AC1")
    monkeypatch.setenv("JWT_SECRET_FILE", str(place / "secret"))
    (place / ".env").write_text(f"TWILIO_SID_FILE={place / 'sid'}\nSTORM_MASTER_SECRET_FILE={place / 'secret'}\n")
    found = settings.load()
    assert (found.jwt_secret.get_secret_value(), found.twilio_sid) == (SECRET * 2, "AC1")
    assert found.master_secret.get_secret_value() == SECRET * 2


def test_what_is_wrong_with_files_is_told_with_all_else_and_without_their_content(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "twice").write_text(SECRET)
    (place / "empty").write_text("\n")
    (place / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("TWILIO_SID", "AC1")
    for name, file in (("TWILIO_SID", "twice"), ("SMTP_URL", "empty"), ("KITE_API_KEY", "binary"), ("JWT_SECRET", "gone")):
        monkeypatch.setenv(f"{name}_FILE", str(place / file))
    monkeypatch.setenv("STORM_NOTHING_FILE", str(place / "twice"))
    monkeypatch.setenv("STORM_PORT", "high")
    with pytest.raises(SettingsError) as refused:
        settings.load()
    found = "\n".join(sorted(refused.value.problems))
    assert "JWT_SECRET_FILE: " in found and "No such file" in found
    assert "KITE_API_KEY_FILE: " in found and "not a text in UTF-8" in found
    assert f"SMTP_URL_FILE: {place / 'empty'} is empty" in found
    assert "TWILIO_SID: is given twice, by itself and as TWILIO_SID_FILE" in found
    assert "STORM_NOTHING_FILE is not a setting" in found
    assert "STORM_PORT: " in found
    assert len(refused.value.problems) == 6 and SECRET not in found


def test_passwords_and_the_authority_are_put_into_the_addresses(tmp_path: Path) -> None:
    authority = tmp_path / "ca.crt"
    authority.write_text("x")
    config = settings.parse(
        {
            "STORM_REDIS_URL": "rediss://ingest@redis:6379/0",
            "STORM_QUEUE_URL": "redis://worker@queue:6379/1",
            "STORM_REDIS_PASSWORD": "a/b:c@d",
            "STORM_REDIS_CA": str(authority),
            "MONGODB_URI": "mongodb://ingest@mongo:27017/stormalert?authSource=admin",
            "STORM_MONGODB_PASSWORD": "50%",
        }
    )
    assert config.redis_url == f"rediss://ingest:a%2Fb%3Ac%40d@redis:6379/0?{urlencode({'ssl_ca_certs': str(authority)})}"
    assert config.rq_url == "redis://worker:a%2Fb%3Ac%40d@queue:6379/1"
    assert config.mongodb_uri == "mongodb://ingest:50%25@mongo:27017/stormalert?authSource=admin"
    assert "a/b" not in repr(config) and "a%2Fb" not in repr(config)


def test_an_address_with_a_password_of_its_own_or_without_a_user_stays_as_it_is() -> None:
    for url in (
        "redis://ingest:own@redis:6379/0",
        "redis://redis:6379/0",
        "redis://:own@redis:6379/0",
        "unix:///run/redis.sock",
    ):
        assert settings.parse({"STORM_REDIS_URL": url, "STORM_REDIS_PASSWORD": "other"}).redis_url == url
