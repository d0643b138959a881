"""Loads the Lua scripts and calls them by name: a script's header is its signature.

A header says, after one sentence of intent:

    -- KEYS     ticks      what the key is
    -- ARGV     count      what the argument is
    --          more...    a name that ends in dots takes any number of values and comes last
    -- Returns  what comes back

A script that begins with `#!lua flags=no-writes` is held to it by the server, and needs no right to write.

`require("lib.name")` puts the text of lua/lib/name.lua before the script, so a script is one text with one SHA1, and a process
that runs older code keeps calling its own version.
"""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    text: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    sha1: str
    is_read_only: bool = False

    def pack(self, **named: Arguments) -> list[Value]:
        """[number of keys, *keys, *arguments] in the order of the header. Raises ScriptError."""
        expected = {name.removesuffix("...") for name in (*self.keys, *self.args)}
        if named.keys() != expected:
            raise ScriptError(f"{self.name}.lua takes {sorted(expected)}, was called with {sorted(named)}")
        keys = [value for name in self.keys for value in _values(name, named)]
        return [len(keys), *keys, *(value for name in self.args for value in _values(name, named))]

    async def call(self, redis: AsyncRedis, **named: Arguments) -> Any:
        """Runs the script by its SHA1, loading it first where the server does not know it."""
        packed = self.pack(**named)
        try:
            return await self.queue(redis, packed)
        except NoScriptError:
            # Not EVAL, which no user of Redis may call.
            await redis.script_load(self.text)
            return await self.queue(redis, packed)

    def queue(self, redis: Any, packed: Sequence[Value]) -> Any:
        """Calls it by its SHA1 on a client of either kind, or in a pipeline."""
        run = redis.evalsha_ro if self.is_read_only else redis.evalsha
        return run(self.sha1, *packed)


# A script and its packed arguments.
Call = tuple[Script, list[Value]]


async def call_all(redis: AsyncRedis, calls: Sequence[Call]) -> list[object]:
    """Runs many; returns their replies in order, an error where one was refused.

    Raises redis-py's ConnectionError when the server is away, or cannot take anything just now.
    """
    replies = await _send(redis, calls)
    unknown = [place for place, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        for each in {calls[place][0] for place in unknown}:
            await redis.script_load(each.text)
        for place, reply in zip(unknown, await _send(redis, [calls[place] for place in unknown]), strict=True):
            replies[place] = reply
    for reply in replies:
        if isinstance(reply, RedisError) and not _is_refusal(reply):
            raise ConnectionError(str(reply))
    return replies


def ask_all(redis: SyncRedis, calls: Sequence[Call]) -> list[object]:
    """The same for threads, and for scripts that only read: they may be asked twice. Any error of theirs is a reply."""
    replies = _ask(redis, calls)
    if any(isinstance(reply, NoScriptError) for reply in replies):
        for each in {called for called, _ in calls}:
            redis.script_load(each.text)
        replies = _ask(redis, calls)
    return replies


def _ask(redis: SyncRedis, calls: Sequence[Call]) -> list[object]:
    if isinstance(redis, SyncCluster):
        return [_ask_one(redis, call) for call in calls]
    with redis.pipeline(transaction=False) as pipe:
        for called, packed in calls:
            called.queue(pipe, packed)
        return list(pipe.execute(raise_on_error=False))


def _ask_one(redis: SyncCluster, call: Call) -> object:
    called, packed = call
    try:
        return called.queue(redis, packed)
    except ResponseError as error:
        return error


def _is_refusal(error: RedisError) -> bool:
    """Whether the script said no; any other no is the server's, for a reason that passes: OOM, LOADING, READONLY, ..."""
    return isinstance(error, ResponseError) and not isinstance(error, PASSING)


async def _send(redis: AsyncRedis, calls: Sequence[Call]) -> list[object]:
    if isinstance(redis, RedisCluster):
        # redis-py takes no script into a cluster's pipeline.
        waiting = asyncio.Semaphore(CALLS_AT_ONCE)
        return list(await asyncio.gather(*(_send_one(redis, call, waiting) for call in calls)))
    async with redis.pipeline(transaction=False) as pipe:
        for called, packed in calls:
            called.queue(pipe, packed)
        return list(await pipe.execute(raise_on_error=False))


async def _send_one(redis: RedisCluster, call: Call, waiting: asyncio.Semaphore) -> object:
    called, packed = call
    async with waiting:
        try:
            return await called.queue(redis, packed)
        except ResponseError as error:
            return error


@cache
def script(name: str) -> Script:
    """The script lua/<name>.lua. Raises ScriptError when its header or an include cannot be read."""
    text = _inline(name, (LUA / f"{name}.lua").read_text())
    signature = _signature(name, text)
    sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, signature["KEYS"], signature["ARGV"], sha1, text.startswith(_READ_ONLY))


def script_names() -> list[str]:
    return sorted(path.stem for path in LUA.glob("*.lua"))


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
