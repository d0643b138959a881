"""Health checks of docker-compose.yml that must not find something well because it answers."""

import os
import subprocess
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.conftest import needed
from tests.deploy.compose_file import services
from tests.deploy.composed import composed


@pytest.mark.usefixtures("processes")
def test_a_redis_without_its_users_is_not_healthy() -> None:
    needed("redis-cli", "redis-server")
    with composed() as server:
        (server.root("redis") / "etc/stormalert/users.acl").write_text("")
        server.start("redis")
        with redis.Redis(port=server.ports["redis"], retry=Retry(ConstantBackoff(0.1), 100)) as anybody:
            assert anybody.ping()
        assert server.check("redis").returncode == 1


@pytest.mark.usefixtures("processes")
def test_a_mongodb_that_is_still_making_its_users_is_not_healthy(tmp_path: Path) -> None:
    """Its image starts another one for that, at 127.0.0.1 alone."""
    mongosh = tmp_path / "mongosh"
    # Reaches what listens at 127.0.0.1, and nothing at another address.
    mongosh.write_text('#!/bin/sh\ncase "$*" in *"--host $(hostname) "*) exit 1 ;; esac\n')
    mongosh.chmod(0o755)
    kind, check = services()["mongo"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert subprocess.run(["sh", "-c", check], env={"PATH": path}).returncode == 1
