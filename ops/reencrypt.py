"""All that the store keeps sealed, encrypted anew: the second step of changing STORM_MASTER_SECRET."""

from collections.abc import Iterator

from stormalert import channels
from stormalert.access.security import Sealer, sealer
from stormalert.config.settings import Settings
from stormalert.config.stored import SEALED
from stormalert.errors import Conflict, StormError
from stormalert.store import Store


def reencrypt(config: Settings, store: Store) -> tuple[int, list[str]]:
    """How many were encrypted anew, and what could not be opened. Can be done again. Raises StormError."""
    seal = sealer(config)
    found = [_reencrypt_settings(store, seal), _reencrypt_users(store, seal), _reencrypt_channels(store, seal)]
    outcomes = [outcome for each in found for outcome in each]
    return outcomes.count(""), [outcome for outcome in outcomes if outcome]


def _reencrypt_settings(store: Store, seal: Sealer) -> Iterator[str]:
    for prefix in SEALED:
        for name, sealed in store.settings_like(prefix).items():
            if not sealed:
                continue
            try:
                store.save_setting(name, seal.reencrypt(sealed))
            except StormError:
                yield f"the setting {name}"
            else:
                yield ""


def _reencrypt_users(store: Store, seal: Sealer) -> Iterator[str]:
    for user in store.users():
        if not user.totp_sealed:
            continue
        try:
            store.save_user(user.model_copy(update={"totp_sealed": seal.reencrypt(user.totp_sealed)}))
        except Conflict:
            yield f"the second factor of {user.name}, who changed just now"
        except StormError:
            yield f"the second factor of {user.name}"
        else:
            yield ""


def _reencrypt_channels(store: Store, seal: Sealer) -> Iterator[str]:
    """The secrets in addresses."""
    for channel in (it for user in store.users() for it in store.channels_of(user.id)):
        try:
            sealed = channels.of(channel.kind).sealed_in(channel.address)
            if not sealed:
                continue
            address = channel.address.replace(sealed, seal.reencrypt(sealed))
            store.save_channel(channel.model_copy(update={"address": address}))
        except Conflict:
            yield f"the channel {channel.id}, which changed just now"
        except StormError:
            yield f"the channel {channel.id}"
        else:
            yield ""
