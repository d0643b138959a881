"""What stands in the same .env and is read by others than our processes: docker compose, and the tests.

Here so that `.env.example` has all of them in one place, and nobody calls them unknown.
"""

from typing import NamedTuple


class Elsewhere(NamedTuple):
    name: str
    default: str
    help: str


COMPOSE = (
    Elsewhere("STORM_DOMAIN", "", "name under which people reach the server, such as storm.example.com"),
    Elsewhere(
        "STORM_CERTIFICATE_EMAIL",
        "",
        "mail address that the certificate's authority is given; Let's Encrypt sends its news there, no reminders; empty: none",
    ),
    Elsewhere("STORM_ACME_SERVER", "", "another authority than Let's Encrypt, or its trial one"),
    Elsewhere("STORM_EVALUATORS", "1", "number of evaluators"),
    Elsewhere("STORM_REDIS_MEMORY", "2gb", "how much Redis may hold"),
    Elsewhere(
        "STORM_REDIS_LIMIT",
        "4gb",
        "memory of Redis' container, beyond which it is killed; twice STORM_REDIS_MEMORY",
    ),
    Elsewhere(
        "STORM_REDIS_FSYNC",
        "everysec",
        "when what Redis was told is on the disk: everysec, or always, which is safe and slower",
    ),
)
TESTS = (
    Elsewhere("STORM_TEST_MONGO_URL", "", "a real MongoDB for the tests of the store"),
    Elsewhere(
        "STORM_TEST_REDIS_URL",
        "",
        "one Redis or Valkey, or several with spaces between, for as many workers of the tests, which empty theirs again and "
        "again; empty: each starts one of its own",
    ),
)
NAMES = frozenset(it.name for it in (*COMPOSE, *TESTS))
