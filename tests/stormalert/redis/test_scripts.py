from pathlib import Path

import pytest
import redis.asyncio
from redis.exceptions import ResponseError

from stormalert import process
from stormalert.errors import ScriptError
from stormalert.redis import scripts
from stormalert.redis.scripts import ask_all, run_all, script, script_names

GREET = """#!lua
-- Greets.
--
-- KEYS     count   how often
-- ARGV     name    of whom
--          more... others
-- Returns  greeting:text  to all of them
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
        greeting = script("greet").call(str, count="greetings", name="Asha", more=["Mina", "Ravi"])
        assert await greeting.run(client) == "hello Asha and Mina and Ravi"
        assert await client.get("greetings") == "1"


async def test_a_server_that_forgot_the_script_is_taught_again(folder: Path, redis_url: str) -> None:
    async with process.connect(redis_url) as client:
        greeting = script("greet").call(str, count="greetings", name="Asha", more=[])
        for _ in range(2):
            await greeting.run(client)
            await client.script_flush()
        assert await run_all(client, [greeting, greeting]) == ["hello Asha"] * 2
        await client.script_flush()
        with process.connect_in_thread(redis_url) as threads:
            assert ask_all(threads, [greeting, greeting]) == ["hello Asha"] * 2
            threads.script_flush()
            assert greeting.ask(threads) == "hello Asha"
        assert await client.get("greetings") == "7"


async def test_one_that_is_refused_harms_no_other_and_is_raised_for_who_asks_it_alone(folder: Path, redis_url: str) -> None:
    async with process.connect(redis_url) as client:
        await client.hset("a hash", "field", "1")
        good, bad = (script("greet").call(str, count=count, name="Asha", more=[]) for count in ("greetings", "a hash"))
        first, second = await run_all(client, [bad, good])
        assert isinstance(first, ResponseError)
        assert second == "hello Asha"
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await bad.run(client)


def test_a_module_is_put_in_once_and_before_those_that_need_it(folder: Path) -> None:
    text = script("greet").text
    assert text.startswith("#!lua\n-- Greets.")
    assert text.count('return "hello"') == 1
    assert text.index('return "hello"') < text.index("words.hello")
    assert "require(" not in text


@pytest.mark.parametrize("named", [{"count": "k"}, {"count": "k", "name": "n", "more": [], "colour": "red"}])
def test_a_call_that_does_not_fit_the_header_is_refused(folder: Path, named: dict[str, str]) -> None:
    with pytest.raises(ScriptError, match=r"greet\.lua takes \['count', 'more', 'name'\], was called with"):
        script("greet").call(str, **named)


@pytest.mark.parametrize(
    ("returns", "reply", "is_told"),
    [
        ("a:int", 1, True),
        ("a:int", "1", False),
        ("a:text", "x", True),
        ("a:text", b"x", True),
        ("a:text", None, False),
        ("a:text", ["x"], False),
        ("a:pairs", ["name", "value"], True),
        ("a:pairs", ["name"], False),
        ("a:content", ["name", "value"], True),
        ("a:content", "x", True),
        ("a:content", 1, False),
        ("a:rows[b,c]", [["x", None], ["y", "z"]], True),
        ("a:rows[b,c]", [["x"]], False),
        ("a:rows[b,c]", "xy", False),
        ("a:int\n--          b:text", [1, "x"], True),
        ("a:int\n--          b:text", ["x", 1], False),
        ("a:int\n--          b:text", [1], False),
        ("a:int\n--          b:text", 1, False),
    ],
)
def test_a_reply_that_does_not_fit_the_header_is_refused(folder: Path, returns: str, reply: object, is_told: bool) -> None:
    (folder / "greet.lua").write_text(GREET.replace("greeting:text", returns))
    call = script("greet").call(lambda value: value, count="k", name="n", more=[])
    if is_told:
        assert call.answer(reply) is reply
    else:
        with pytest.raises(ScriptError, match=r"greet\.lua returns \['a'.*\], answered"):
            call.answer(reply)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (GREET.replace("#!lua\n", ""), "must begin with #!lua"),
        (GREET.replace("-- KEYS", "-- keys"), "a header with KEYS"),
        (GREET.replace("-- Returns", "-- Gives"), "Returns"),
        (GREET.replace("greeting:text", "the greeting"), "a name and a type such as taken:int, its header says 'the'"),
        (GREET.replace("greeting:text", "greeting:texts"), "its header says 'greeting:texts'"),
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
