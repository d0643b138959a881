"""The REST routes against their own document: whatever is asked, the answer is one that the document has."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stormalert.access.sessions import ACCESS_COOKIE
from stormalert.model import Scope, User
from tests.sessions import begin, sessions
from tests.store.records import a_delivery, a_rule, an_alert

from .conftest import JWT_SECRET, Site, running

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method",
)  # fmt: skip
# These end the session that asks.
ENDS_IT = "/auth/(logout|erase)"


@pytest.fixture
def site(redis_url: str, tmp_path: Path, users: tuple[User, ...]) -> Iterator[Site]:
    """One for each caller: what an admin may do includes erasing the others."""
    with running(redis_url, tmp_path, users) as site:
        for user in users:
            site.store.save_rule(a_rule(f"r-{user.name}", user=user.id))
            site.store.record_fired(
                [an_alert(f"a-{user.name}", user=user.id)],
                [a_delivery(f"a-{user.name}-c", alert=f"a-{user.name}", user=user.id)],
            )
        yield site


def bearer(site: Site, user_id: str) -> str:
    user = site.store.user(user_id)
    assert user
    token = sessions(site.store, site.redis_url, JWT_SECRET).begin_script(user, "a test", "", tuple(Scope), 3_600_000)
    return f"Authorization: Bearer {token.access}"


def cookie(site: Site, user_id: str) -> str:
    return f"Cookie: {ACCESS_COOKIE}={begin(site.store, site.redis_url, JWT_SECRET, user_id).access}"


@pytest.mark.parametrize(
    ("user", "signed_in"), [("u-mina", bearer), ("u-asha", bearer), ("u-mina", cookie), ("u-asha", cookie)],
    ids=["a member's script", "an admin's script", "a member", "an admin"],
)  # fmt: skip
@pytest.mark.alone
def test_no_answer_is_outside_the_document(site: Site, tmp_path: Path, user: str, signed_in: object) -> None:
    assert callable(signed_in)
    # Also that nothing is taken that the document does not allow; a cookie that is missing there is in our header all the same.
    checks = [*CHECKS, "negative_data_rejection"] if signed_in is bearer else CHECKS
    options = {
        "--url": f"{site.url}/api",
        "--header": signed_in(site, user),
        "--exclude-path-regex": ENDS_IT,
        "--checks": ",".join(checks),
        # By what the caller is known does not change what becomes of a value.
        "--phases": "examples,coverage,fuzzing" if signed_in is bearer else "examples",
        "--max-examples": "6",
        "--seed": "1",
        # On a busy machine.
        "--request-timeout": "60",
        "--suppress-health-check": "too_slow",
    }
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{site.url}/api/openapi.json", "--no-color"]
    found = subprocess.run(
        [*command, *(part for option in options.items() for part in option)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=1_200,
    )
    assert found.returncode == 0, found.stdout[-8_000:]
    assert "Test cases:" in found.stdout and " passed" in found.stdout
    assert "Traceback" not in site.log.read_text()
