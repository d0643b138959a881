from pathlib import Path

import pytest
import redis.asyncio

from stormalert import process
from stormalert.errors import ScriptError
from stormalert.redis import scripts
from stormalert.redis.scripts import script, script_names

GREET = """#!lua
-- Greets.
--
-- KEYS     count   how often
-- ARGV     name    of whom
--          more... others
-- Returns  the greeting
local words = require("lib.words")
redis.call("INCR", KEYS[1])
return words.hello .. " " .. table.concat(ARGV, " and ")
"""
WORDS = 'local words = {}\nwords.hello = require("lib.hello")\nreturn words\n'
HELLO = 'return "hello"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lua/ of our own."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "greet.lua").write_text(GREET)
    (tmp_path / "lib" / "words.lua").write_text(WORDS)
    (tmp_path / "lib" / "hello.lua").write_text(HELLO)
    monkeypatch.setattr(scripts, "LUA", tmp_path)
    script.cache_clear()
    yield tmp_path  # type: ignore[misc]
    script.cache_clear()


async def test_a_script_is_called_by_the_names_of_its_header(folder: Path, redis_url: str) -> None:
    async with process.connect(redis_url) as client:
        answer = await script("greet").call(client, count="greetings", name="Asha", more=["Mina", "Ravi"])
        assert answer == "hello Asha and Mina and Ravi"
        assert await client.get("greetings") == "1"


async def test_a_server_that_forgot_the_script_is_taught_again(folder: Path, redis_url: str) -> None:
    async with process.connect(redis_url) as client:
        for _ in range(2):
            await script("greet").call(client, count="greetings", name="Asha", more=[])
            await client.script_flush()
        assert await client.get("greetings") == "2"


def test_a_module_is_put_in_once_and_before_those_that_need_it(folder: Path) -> None:
    text = script("greet").text
    assert text.startswith("#!lua\n-- Greets.")
    assert text.count('return "hello"') == 1
    assert text.index('return "hello"') < text.index("words.hello")
    assert "require(" not in text


@pytest.mark.parametrize("named", [{"count": "k"}, {"count": "k", "name": "n", "more": [], "colour": "red"}])
def test_a_call_that_does_not_fit_the_header_is_refused(folder: Path, named: dict[str, str]) -> None:
    with pytest.raises(ScriptError, match=r"greet\.lua takes \['count', 'more', 'name'\], was called with"):
        script("greet").pack(**named)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GREET.replace("#!lua\n", ""), "must begin with #!lua"),
        (GREET.replace("-- KEYS", "-- keys"), "a header with KEYS"),
        (GREET.replace("-- Returns", "-- Gives"), "Returns"),
        (GREET.replace("lib.words", "lib.wrods"), "requires lib.wrods, but there is no"),
    ],
)
def test_a_script_that_cannot_be_read_is_refused(folder: Path, text: str, reason: str) -> None:
    (folder / "greet.lua").write_text(text)
    with pytest.raises(ScriptError, match=reason):
        script("greet")


def test_modules_that_need_each_other_are_refused(folder: Path) -> None:
    (folder / "lib" / "hello.lua").write_text('return require("lib.words")\n')
    with pytest.raises(ScriptError, match=r"circular require: greet -> lib\.words -> lib\.hello"):
        script("greet")


async def test_the_server_accepts_every_script_of_ours(redis_url: str) -> None:
    assert {"arm", "disarm", "evaluate", "inspect"} <= set(script_names())
    async with redis.asyncio.Redis.from_url(redis_url, decode_responses=True) as client:
        for name in script_names():
            assert await client.script_load(script(name).text) == script(name).sha1
