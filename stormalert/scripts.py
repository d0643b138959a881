"""Loads the Lua scripts and calls them by name: a script's header is its signature.

A header says, after one sentence of intent:

    -- KEYS     ticks      what the key is
    -- ARGV     count      what the argument is
    --          more...    a name that ends in dots takes any number of values and comes last
    -- Returns  what comes back

`require("lib.name")` is replaced by the text of lua/lib/name.lua, so a script is one text with one SHA1, and a process that
runs older code keeps calling its own version.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoScriptError

from stormalert.errors import ScriptError

LUA = Path(__file__).resolve().parent.parent / "lua"
_REQUIRE = re.compile(r'require\("([a-z_.]+)"\)')
_SECTION = re.compile(r"-- (KEYS|ARGV|Returns)\s+(\S+)|--\s{5,10}(\S+)")

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
            return await redis.evalsha(self.sha1, *packed)  # type: ignore[arg-type]
        except NoScriptError:
            return await redis.eval(self.text, *packed)  # type: ignore[arg-type]


@cache
def script(name: str) -> Script:
    """The script lua/<name>.lua. Raises ScriptError when its header or an include cannot be read."""
    text = _inline((LUA / f"{name}.lua").read_text(), (name,))
    signature = _signature(name, text)
    sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, signature["KEYS"], signature["ARGV"], sha1)


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
    if not text.startswith("#!lua\n") or not found["KEYS"] or not found["Returns"]:
        raise ScriptError(f"{name}.lua must begin with #!lua and a header with KEYS, ARGV and Returns")
    return {section: tuple(names) for section, names in found.items()}


def _inline(text: str, path: tuple[str, ...]) -> str:
    def module(match: re.Match[str]) -> str:
        if match[1] in path:
            raise ScriptError(f"circular require: {' -> '.join((*path, match[1]))}")
        file = LUA / f"{match[1].replace('.', '/')}.lua"
        if not file.is_file():
            raise ScriptError(f"{path[-1]} requires {match[1]}, but there is no {file.name} in lua/lib")
        return f"(function()\n{_inline(file.read_text(), (*path, match[1]))}\nend)()"

    return _REQUIRE.sub(module, text)
