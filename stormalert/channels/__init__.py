"""The kinds of channels: each file beside this one describes one, and the file of that name in `workers/channels/` sends.

Nothing lists them but the folder. No description is imported before it is asked for, because the model needs the kinds.
"""

import pkgutil
from collections.abc import Iterable
from enum import EnumType, StrEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from stormalert.config.settings import Settings
    from stormalert.model import Channel
    from stormalert.notify.description import ChannelDescription


class _Kinds(EnumType):
    if TYPE_CHECKING:
        # The members are the folder's, so no type checker can know them: a wrong one fails where it is imported.
        def __getattr__(cls, name: str) -> "ChannelKind": ...


class ChannelKind(StrEnum, metaclass=_Kinds):
    """The name of a kind's file, as it is stored; a member is that name in capitals."""

    vars().update({module.name.upper(): module.name for module in pkgutil.iter_modules(__path__)})


@cache
def of(kind: ChannelKind) -> "ChannelDescription":
    return cast("ChannelDescription", import_module(f"{__name__}.{kind}").CHANNEL)


def set_up(config: "Settings") -> set[ChannelKind]:
    """What this server has an account for."""
    return {kind for kind in ChannelKind if of(kind).is_set_up(config)}


def shown(channel: "Channel") -> str:
    """The channel's address as its owner may see it: without a secret in it."""
    return of(channel.kind).shown(channel.address)


def nouns(kinds: Iterable[ChannelKind] = ChannelKind) -> str:
    """Telegram, WhatsApp, e-mail or a webhook: within a sentence."""
    *first, last = [of(kind).noun for kind in sorted(kinds, key=lambda kind: (of(kind).noun.islower(), kind))]
    return f"{', '.join(first)} or {last}" if first else last
