"""What the bot must know of the store while that is away: over which channels admins are told, and what is set over the
environment.

It is kept in memory, and in Redis for a bot that starts meanwhile: sealed, so that no address can be read there. Without a
master secret it is in memory only.
"""

import logging
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ValidationError
from redis import Redis

from stormalert import process
from stormalert.access.security import sealer
from stormalert.config import overrides
from stormalert.config.settings import Settings
from stormalert.errors import InputError, StoreError, StormError
from stormalert.model import Channel, Role
from stormalert.process import REDIS_ERRORS
from stormalert.redis import keys
from stormalert.store import Store

log = logging.getLogger("stormalert")


class Kept(BaseModel, frozen=True):
    """`overrides` are sealed by themselves, by their name in the store."""

    admins: tuple[Channel, ...] = ()
    overrides: dict[str, str] = {}


class LastKnown:
    """Runs in threads."""

    def __init__(self, client: Redis, store: Store, config: Settings) -> None:
        self._client = client
        self._store = store
        self._config = config
        self._known: Kept | None = None

    def look(self) -> None:
        """Raises StoreError when the store is away."""
        admins = [user for user in self._store.users() if user.role is Role.ADMIN]
        channels = [each for user in admins for each in self._store.channels_of(user.id) if each.takes_alerts]
        found = Kept(admins=tuple(channels), overrides=overrides.sealed(self._store))
        if found != self._known:
            self._known = found
            keep(self._client, self._config, found)

    def admins(self) -> Sequence[Channel]:
        """Their channels that take alerts: as the store says, else as it last said."""
        try:
            self.look()
        except StoreError as error:
            log.debug("admins not looked up", extra={"reason": str(error)})
        return self.last.admins

    def channel(self, channel_id: str) -> Channel | None:
        """Of an admin, as the store last said."""
        return next((each for each in self.last.admins if each.id == channel_id), None)

    @property
    def last(self) -> Kept:
        """As the store last said."""
        if self._known is None:
            # Nothing was heard of the store since the start.
            return kept(self._client, self._config)
        return self._known


def keep(client: Redis, config: Settings, found: Kept) -> None:
    try:
        client.set(keys.LAST_KNOWN, sealer(config).seal(found.model_dump_json()))
    except InputError:
        log.info("admins' addresses are kept in memory only: STORM_MASTER_SECRET is not set")
    except REDIS_ERRORS as error:
        log.debug("last known not kept", extra={"reason": type(error).__name__})


def kept(client: Redis, config: Settings) -> Kept:
    """Nothing where none is kept, or it cannot be read any more."""
    try:
        text = client.get(keys.LAST_KNOWN)
        return Kept.model_validate_json(sealer(config).unseal(str(text))) if text else Kept()
    except (StormError, ValidationError, *REDIS_ERRORS) as error:
        log.debug("last known not read", extra={"reason": type(error).__name__})
        return Kept()


def kept_overrides(config: Settings) -> Mapping[str, str]:
    """For a bot that starts while the store is away."""
    with process.connect_in_thread(config.redis_url) as client:
        return kept(client, config).overrides
