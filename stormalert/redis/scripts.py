"""Loads the Lua scripts and calls them by name: a script's header is its signature.

A header says, after one sentence of intent:

    -- KEYS     ticks      what the key is
    -- ARGV     count      what the argument is
    --          more...    a name that ends in dots takes any number of values and comes last
    -- Returns  taken:int  one value of that type, or several as a list

Types of a reply are `int`, `text`, `pairs` (names and values in one list), `content` (text or pairs) and `rows[a,b]` (lists of
so many values). Each call and each reply is held against the header.

A script that begins with `#!lua flags=no-writes` is held to it by the server, and needs no right to write.

`require("lib.name")` puts the text of lua/lib/name.lua before the script, so a script is one text with one SHA1, and a process
that runs older code keeps calling its own version.
"""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from redis import Redis as SyncRedis
from redis import RedisCluster as SyncCluster
from redis._parsers.base import BaseParser
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from stormalert.errors import ScriptError

LUA = Path(__file__).resolve().parents[2] / "lua"
_REQUIRE = re.compile(r'require\("([a-z_.]+)"\)')
_READ_ONLY = "#!lua flags=no-writes\n"
_SECTION = re.compile(r"-- (KEYS|ARGV|Returns)\s+(\S+)|--\s{5,10}(\S+)")
_RETURNED = re.compile(r"(\w+):(?:(int|text|pairs|content)|rows\[(\w+(?:,\w+)*)\])")


class CannotPersistError(ResponseError):
    """The server takes no write because its disk takes none: it is full, mostly."""


# redis-py has no class for it, and no other way to name one.
BaseParser.EXCEPTION_CLASSES["MISCONF"] = CannotPersistError

# What a server answers that cannot take a command just now.
PASSING = (OutOfMemoryError, CannotPersistError, ReadOnlyError, ClusterDownError, MasterDownError, TryAgainError)
# Calls that are on their way to a cluster at once.
CALLS_AT_ONCE = 50

AsyncRedis = Redis | RedisCluster
Value = str | int
Arguments = Value | Sequence[Value]
Reply = TypeVar("Reply", covariant=True)


@dataclass(frozen=True, slots=True)
class Returned:
    """One value of a reply; `columns` of its rows."""

    name: str
    type: str
    columns: tuple[str, ...] = ()

    def fits(self, value: Any) -> bool:
        if self.type == "int":
            return isinstance(value, int)
        if self.type == "rows":
            return isinstance(value, list) and all(isinstance(row, list) and len(row) == len(self.columns) for row in value)
        is_text = isinstance(value, str | bytes)
        are_pairs = isinstance(value, list) and len(value) % 2 == 0
        return {"text": is_text, "pairs": are_pairs, "content": is_text or are_pairs}[self.type]


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    text: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    returns: tuple[Returned, ...]
    sha1: str
    is_read_only: bool = False

    def call(self, read: Callable[[Any], Reply], **named: Arguments) -> "Call[Reply]":
        """A call by the names of the header; `read` makes a reply the caller's. Raises ScriptError."""
        return Call(self, self._pack(named), read)

    def checked(self, reply: Any) -> Any:
        """The reply as it came. Raises ScriptError for one that the header does not tell of."""
        values = [reply] if len(self.returns) == 1 else reply
        is_whole = isinstance(values, list) and len(values) == len(self.returns)
        if not is_whole or not all(map(Returned.fits, self.returns, values)):
            raise ScriptError(f"{self.name}.lua returns {[it.name for it in self.returns]}, answered {reply!r:.200}")
        return reply

    def _pack(self, named: dict[str, Arguments]) -> list[Value]:
        """[number of keys, *keys, *arguments] in the order of the header."""
        expected = {name.removesuffix("...") for name in (*self.keys, *self.args)}
        if named.keys() != expected:
            raise ScriptError(f"{self.name}.lua takes {sorted(expected)}, was called with {sorted(named)}")
        keys = [value for name in self.keys for value in _values(name, named)]
        return [len(keys), *keys, *(value for name in self.args for value in _values(name, named))]


@dataclass(frozen=True, slots=True)
class Call(Generic[Reply]):
    """A script with its arguments, to be sent by a client of either kind."""

    script: Script
    packed: list[Value]
    read: Callable[[Any], Reply]

    async def run(self, redis: AsyncRedis) -> Reply:
        """Raises what redis-py does."""
        (reply,) = await _taught(redis, [self])
        return _raised(reply)

    def ask(self, redis: SyncRedis) -> Reply:
        """The same for threads."""
        (reply,) = ask_all(redis, [self])
        return _raised(reply)

    def queue(self, redis: Any) -> Any:
        """By its SHA1, on a client or in a pipeline. Not EVAL, which no user of Redis may call."""
        run = redis.evalsha_ro if self.script.is_read_only else redis.evalsha
        return run(self.script.sha1, *self.packed)

    def answer(self, reply: Any) -> Reply | Exception:
        return reply if isinstance(reply, Exception) else self.read(self.script.checked(reply))


async def run_all(redis: AsyncRedis, calls: Sequence[Call[Reply]]) -> list[Reply | Exception]:
    """Runs many; returns their replies in order, an error where one was refused.

    Raises redis-py's ConnectionError when the server is away, or cannot take anything just now.
    """
    replies = await _taught(redis, calls)
    for reply in replies:
        if isinstance(reply, RedisError) and not _is_refusal(reply):
            raise ConnectionError(str(reply))
    return replies


def ask_all(redis: SyncRedis, calls: Sequence[Call[Reply]]) -> list[Reply | Exception]:
    """The same for threads. Any error of theirs is a reply."""
    replies = _ask(redis, calls)
    if unknown := _unknown(replies):
        for each in {calls[place].script for place in unknown}:
            redis.script_load(each.text)
        for place, reply in zip(unknown, _ask(redis, [calls[place] for place in unknown]), strict=True):
            replies[place] = reply
    return [call.answer(reply) for call, reply in zip(calls, replies, strict=True)]


async def _taught(redis: AsyncRedis, calls: Sequence[Call[Reply]]) -> list[Reply | Exception]:
    """The replies of a server that is taught the scripts that it does not know."""
    replies = await _send(redis, calls)
    if unknown := _unknown(replies):
        for each in {calls[place].script for place in unknown}:
            await redis.script_load(each.text)
        for place, reply in zip(unknown, await _send(redis, [calls[place] for place in unknown]), strict=True):
            replies[place] = reply
    return [call.answer(reply) for call, reply in zip(calls, replies, strict=True)]


def _unknown(replies: Sequence[object]) -> list[int]:
    return [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]


def _raised(reply: Reply | Exception) -> Reply:
    if isinstance(reply, Exception):
        raise reply
    return reply


def _ask(redis: SyncRedis, calls: Sequence[Call[object]]) -> list[object]:
    if len(calls) == 1 or isinstance(redis, SyncCluster):
        return [_ask_one(redis, call) for call in calls]
    with redis.pipeline(transaction=False) as pipe:
        for call in calls:
            call.queue(pipe)
        return list(pipe.execute(raise_on_error=False))


def _ask_one(redis: SyncRedis, call: Call[object]) -> object:
    try:
        return call.queue(redis)
    except ResponseError as error:
        return error


async def _send(redis: AsyncRedis, calls: Sequence[Call[object]]) -> list[object]:
    if len(calls) == 1:
        return [await _send_one(redis, calls[0])]
    if isinstance(redis, RedisCluster):
        # redis-py takes no script into a cluster's pipeline.
        waiting = asyncio.Semaphore(CALLS_AT_ONCE)
        return list(await asyncio.gather(*(_send_one(redis, call, waiting) for call in calls)))
    async with redis.pipeline(transaction=False) as pipe:
        for call in calls:
            call.queue(pipe)
        return list(await pipe.execute(raise_on_error=False))


async def _send_one(redis: AsyncRedis, call: Call[object], waiting: AbstractAsyncContextManager[None] | None = None) -> object:
    async with waiting or nullcontext():
        try:
            return await call.queue(redis)
        except ResponseError as error:
            return error


def _is_refusal(error: RedisError) -> bool:
    """Whether the script said no; any other no is the server's, for a reason that passes: OOM, LOADING, READONLY, ..."""
    return isinstance(error, ResponseError) and not isinstance(error, PASSING)


@cache
def script(name: str) -> Script:
    """The script lua/<name>.lua. Raises ScriptError when its header or an include cannot be read."""
    text = _inline(name, (LUA / f"{name}.lua").read_text())
    signature = _signature(name, text)
    sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    returns = tuple(_returned(name, spelled) for spelled in signature["Returns"])
    return Script(name, text, signature["KEYS"], signature["ARGV"], returns, sha1, text.startswith(_READ_ONLY))


def script_names() -> list[str]:
    return sorted(path.stem for path in LUA.glob("*.lua"))


def _returned(name: str, spelled: str) -> Returned:
    match = _RETURNED.fullmatch(spelled)
    if match is None:
        raise ScriptError(f"{name}.lua returns a name and a type such as taken:int, its header says {spelled!r}")
    return Returned(match[1], match[2] or "rows", tuple(match[3].split(",")) if match[3] else ())


def _values(name: str, named: dict[str, Arguments]) -> Sequence[Value]:
    value = named[name.removesuffix("...")]
    if not name.endswith("..."):
        return (value,)  # type: ignore[return-value]
    return value  # type: ignore[return-value]


def _signature(name: str, text: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {"KEYS": [], "ARGV": [], "Returns": []}
    section = ""
    for line in text.splitlines()[1:]:
        if not line.startswith("--"):
            break
        if match := _SECTION.match(line):
            section = match[1] or section
            if section:
                found[section].append(match[2] or match[3])
    if not text.startswith(("#!lua\n", _READ_ONLY)) or not found["KEYS"] or not found["Returns"]:
        raise ScriptError(f"{name}.lua must begin with #!lua and a header with KEYS, ARGV and Returns")
    return {section: tuple(names) for section, names in found.items()}


def _inline(name: str, text: str) -> str:
    """The script with the modules it requires, each once and before the ones that require it, behind its header."""
    modules: dict[str, str] = {}
    body = _resolve(text, modules, (name,))
    shebang, rest = body.split("\n", 1)
    header = "\n".join(itertools.takewhile(lambda line: line.startswith("--"), rest.splitlines()))
    prelude = "".join(f"local {_local(module)} = (function()\n{code}end)()\n" for module, code in modules.items())
    return f"{shebang}\n{header}\n{prelude}{rest[len(header) :]}"


def _resolve(text: str, modules: dict[str, str], path: tuple[str, ...]) -> str:
    for module in _REQUIRE.findall(text):
        file = LUA / f"{module.replace('.', '/')}.lua"
        if module in path:
            raise ScriptError(f"circular require: {' -> '.join((*path, module))}")
        if not file.is_file():
            raise ScriptError(f"{path[-1]} requires {module}, but there is no lua/{module.replace('.', '/')}.lua")
        if module not in modules:
            code = _resolve(file.read_text(), modules, (*path, module))
            modules[module] = code
    return _REQUIRE.sub(lambda match: _local(match[1]), text)


def _local(module: str) -> str:
    return module.replace(".", "_")
