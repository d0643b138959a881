"""Health checks of docker-compose.yml that must not find something well because it answers."""

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from tests.conftest import needed
from tests.deploy.composed import composed


def test_a_redis_without_its_users_is_not_healthy() -> None:
    needed("redis-cli", "redis-server")
    with composed() as server:
        (server.root("redis") / "etc/stormalert/users.acl").write_text("")
        server.start("redis")
        with redis.Redis(port=server.ports["redis"], retry=Retry(ConstantBackoff(0.1), 100)) as anybody:
            assert anybody.ping()
        assert server.check("redis").returncode == 1
