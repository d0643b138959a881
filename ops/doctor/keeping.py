"""The store: can it be opened, and is it of this version?"""

from collections.abc import Iterator
from pathlib import Path

from ops.doctor.case import Case
from ops.doctor.secrets import place
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.health.finding import Finding, Level, bad, good, wait
from stormalert.store import Schema, Store, look, open_store
from stormalert.store.sqlite_schema import damage_of

# A gigabyte or more, by the disk.
CHECK_S = 5


def check_store(case: Case) -> Iterator[Finding]:
    yield from case.of_store
    path = case.environment.sqlite_path
    # What cannot even be opened is told already.
    if not case.environment.mongodb_uri and path.exists() and not any(it.level is Level.BAD for it in case.of_store):
        yield judge_damage(path, damage_of(path, CHECK_S))


def open_for(config: Settings) -> tuple[Store | None, list[Finding]]:
    """The store, when it can be looked into without changing it; and what there is to say."""
    name = f"MongoDB at {place(config.mongodb_uri)}" if config.mongodb_uri else f"SQLite at {config.sqlite_path}"
    setting = "MONGODB_URI" if config.mongodb_uri else "STORM_SQLITE_PATH"
    try:
        schema = look(config.mongodb_uri, config.sqlite_path)
        found = list(judge_schema(name, schema))
        if schema.found != schema.ours:
            return None, found
        return open_store(config.mongodb_uri, config.sqlite_path), found
    except StormError as error:
        return None, [bad("store", str(error), f"start it, or correct {setting}; ticks are evaluated meanwhile")]


def judge_damage(path: Path, damage: str | None) -> Finding:
    if damage is None:
        return good("store", f"no damage found within {CHECK_S} s; to read all of it takes longer")
    if not damage:
        return good("store", "the file is whole")
    advice = "stop everything, then `restore --force` the newest backup, which moves the file aside: docs/operations.md"
    return bad("store", f"{path} is damaged: {damage}", advice)


def judge_schema(name: str, schema: Schema) -> Iterator[Finding]:
    if not schema.found:
        yield wait("store", f"{name}: there is none yet", "the first start makes it")
    elif schema.found < schema.ours:
        yield wait(
            "store", f"{name}: schema {schema.found}, ours is {schema.ours}", "back it up; the next start brings it forward"
        )
    elif schema.found > schema.ours:
        yield bad(
            "store", f"{name}: schema {schema.found} of a newer StormAlert", "run the version that wrote it, or a later one"
        )
    else:
        yield good("store", f"{name}, schema {schema.found}")
