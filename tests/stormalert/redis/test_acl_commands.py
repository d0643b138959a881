"""What the scripts call is among what their callers' users may call: found in the texts, without a server."""

import re

import pytest

from stormalert.redis import acl
from stormalert.redis.scripts import script


@pytest.mark.parametrize(
    ("names", "allowed"),
    [
        (("permit", "settle", "quota"), acl.LIMITS),
        (("evaluate", "arm", "disarm", "rest"), acl.ENGINE),
    ],
)
def test_every_command_of_a_script_is_allowed_to_who_runs_it(names: tuple[str, ...], allowed: str) -> None:
    called = {found.lower() for name in names for found in re.findall(r'call\("([A-Z]+)"', script(name).text)}
    assert called
    assert called - {each.removeprefix("+").partition("|")[0] for each in allowed.split()} == set()
