"""Settings that admins set as an override: kept sealed in the store, they go before the environment's.

Processes lay them over their settings when they start, and start anew when they change (stormalert.process).
"""

import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import SecretStr, ValidationError

from stormalert import channels
from stormalert.access.security import new_id, sealer
from stormalert.channels import ChannelKind
from stormalert.config.settings import Settings, value_of
from stormalert.config.stored import OVERRIDE, OVERRIDES_REVISION
from stormalert.errors import InputError, StormError
from stormalert.store import Store

log = logging.getLogger("stormalert")

# Accounts at Kite and at the channels' providers, and who messages come from: what changes without the machine changing. Where
# servers are, and the secrets that open the store's own, stay with whoever runs the machine.
KITE = ("KITE_API_KEY", "KITE_API_SECRET")
CHANNELS = tuple(dict.fromkeys(name for kind in ChannelKind for name in channels.of(kind).account))
NAMES = (*KITE, *CHANNELS)
# Beside those whose type says so: a URL with a password in it, and half of Kite's sign-in.
_SECRET = frozenset({"SMTP_URL", "KITE_API_KEY"})
_TAIL, _LONG_ENOUGH = 4, 12


class Shown(NamedTuple):
    """One setting as a page may show it."""

    name: str
    help: str
    is_secret: bool
    # panel, environment, or empty: not set.
    source: str
    # Of a secret the last four characters, or none when it is short.
    tail: str


def overlay(config: Settings, store: Store) -> Settings:
    """The settings as they count. Raises StormError."""
    return laid_over(config, sealed(store))


def sealed(store: Store) -> dict[str, str]:
    """As the store has them. Raises StormError."""
    return store.settings([OVERRIDE.of(name) for name in NAMES])


def laid_over(config: Settings, found: Mapping[str, str]) -> Settings:
    """What cannot be used is left out, and logged without its value."""
    for name, sealed in found.items():
        try:
            config = _with(config, OVERRIDE.whose(name), sealer(config).unseal(sealed))
        except StormError as error:
            log.warning("a setting is not used", extra={"setting": name, "reason": str(error)})
    return config


def save(config: Settings, store: Store, name: str, text: str) -> None:
    """Raises InputError, without the text in it."""
    if name not in NAMES:
        raise InputError(f"found {name!r}, expected one of {', '.join(NAMES)}")
    seal = sealer(config)
    text = text.strip()
    if not text or not text.isprintable():
        raise InputError(f"{name}: expected printable characters")
    _with(config, name, text)
    store.save_setting(OVERRIDE.of(name), seal.seal(text))
    store.save_setting(OVERRIDES_REVISION.name, new_id())


def forget(store: Store, name: str) -> None:
    """The environment's counts again."""
    store.delete_setting(OVERRIDE.of(name))
    store.save_setting(OVERRIDES_REVISION.name, new_id())


def of(config: Settings, names: Sequence[str]) -> dict[str, object]:
    """What these settings are, to compare."""
    return {name: getattr(config, _field(name)) for name in names}


def revision(store: Store) -> str:
    """Another text after each change."""
    return store.setting(OVERRIDES_REVISION.name) or ""


def shown(environment: Settings, store: Store) -> list[Shown]:
    """All that can be set, as it counts now; `environment` is without them."""
    set_here = sealed(store)
    config = overlay(environment, store)
    return [_shown(name, config, is_set_here=OVERRIDE.of(name) in set_here) for name in NAMES]


def _shown(name: str, config: Settings, *, is_set_here: bool) -> Shown:
    field = _field(name)
    info, value = Settings.model_fields[field], getattr(config, field)
    is_secret = isinstance(info.default, SecretStr) or name in _SECRET
    text = value_of(config, name)
    tail = text if not is_secret else text[-_TAIL:] if len(text) >= _LONG_ENOUGH else ""
    source = "panel" if is_set_here else "environment" if value != info.default else ""
    return Shown(name, info.description or "", is_secret, source, tail)


def _with(config: Settings, name: str, text: str) -> Settings:
    """Raises InputError."""
    try:
        return Settings.model_validate(config.model_dump(by_alias=True) | {name: text})
    except ValidationError as error:
        expected = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise InputError(f"{name}: {expected}") from None


def _field(name: str) -> str:
    return next(field for field, info in Settings.model_fields.items() if info.alias == name)
