import pytest

from ops.launch import alive
from stormalert import process
from stormalert.config.settings import parse
from stormalert.process import Heartbeat
from tests.conftest import free_port


async def test_a_process_is_healthy_while_it_beats_on_this_host(redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = parse({"STORM_REDIS_URL": redis_url})
    assert alive.report(config, "ingest") == 1
    assert capsys.readouterr().err == "no process ingest beats on this host\n"
    async with process.connect(redis_url) as redis:
        await Heartbeat("ingest", redis).beat()
    assert alive.report(config, "ingest") == 0
    assert alive.report(config, "in") == 1


def test_a_redis_that_is_away_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert alive.report(parse({"STORM_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}), "ingest") == 1
    assert capsys.readouterr().err.startswith("redis does not answer: ")
