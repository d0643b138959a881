"""Settings that are understood and do not go together, and the secrets among them."""

from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from ops.doctor.case import Case
from stormalert import channels
from stormalert.access.security import Sealer, sealer
from stormalert.channels import ChannelKind
from stormalert.config.settings import Settings
from stormalert.config.stored import SEALED
from stormalert.errors import StormError
from stormalert.health.finding import Finding, bad, good, wait
from stormalert.health.limits import SECRET_VARIETY_BAD
from stormalert.store import Store


def check_settings(case: Case) -> Iterator[Finding]:
    yield good("settings", "all are understood")
    config = case.config
    if not config.kite_api_key:
        yield bad("settings", "no KITE_API_KEY: no prices come", "set it in .env, or in the dashboard: Admin, Keys")
    elif not config.kite_api_secret.get_secret_value() and not config.kite_access_token.get_secret_value():
        yield bad("settings", "no KITE_API_SECRET: nobody can log in to Kite", "set it where KITE_API_KEY is set")
    if config.market_hours == "always" and not is_local(config.kite_api_root):
        advice = "remove STORM_MARKET_HOURS; `always` is for the demo and for recordings"
        yield wait("settings", "ticks count while the exchanges are closed", advice)
    providers = [it for it in map(channels.of, ChannelKind) if not it.is_owners_server]
    # Half an account is a mistake; without any, one may not want the channel.
    if not any(set(it.missing(config)) < set(it.needs) for it in providers):
        advice = f"set {' or '.join(it.needs[0] for it in providers)}, or in the dashboard: Admin, Keys"
        yield wait("settings", "no channel is set up but users' own servers", advice)
    for missing in (it.missing(config) for it in providers if set(it.missing(config)) < set(it.needs)):
        if missing:
            yield bad("settings", f"half an account: no {' and no '.join(missing)}", f"set {' and '.join(missing)}")
    if not config.public_url and any("STORM_PUBLIC_URL" in it.options and it.is_set_up(config) for it in providers):
        advice = (
            "set it to the dashboard's https address; without it Twilio cannot report, and mails have no link that ends them"
        )
        yield wait("settings", "no STORM_PUBLIC_URL", advice)


def check_secrets(case: Case) -> Iterator[Finding]:
    config = case.environment
    jwt, master = config.jwt_secret.get_secret_value(), config.master_secret.get_secret_value()
    for name, secret, without in (
        ("JWT_SECRET", jwt, "the dashboard does not start"),
        ("STORM_MASTER_SECRET", master, "Kite's login, second factors, ntfy's tokens and webhooks cannot be kept"),
    ):
        if not secret:
            yield bad("secrets", f"no {name}: {without}", f"{name}=$(openssl rand -hex 32), in .env or as {name}_FILE")
        elif len(set(secret)) < SECRET_VARIETY_BAD:
            yield bad("secrets", f"{name} can be guessed", "make it by chance: openssl rand -hex 32")
        else:
            yield good("secrets", f"{name} is there, {len(secret)} characters")
    if jwt and jwt == master:
        yield wait(
            "secrets", "JWT_SECRET and STORM_MASTER_SECRET are the same", "give each its own: docs/operations.md, Secrets"
        )
    if config.jwt_secret_previous.get_secret_value():
        yield wait("secrets", "STORM_JWT_SECRET_PREVIOUS is set", "remove it when the sessions it signed have ended")
    if config.master_secret_previous.get_secret_value():
        yield wait("secrets", "STORM_MASTER_SECRET_PREVIOUS is set", "run `python -m stormalert re-encrypt`, then remove it")


def check_sealed(case: Case) -> Iterator[Finding]:
    if case.store is None or not case.environment.master_secret.get_secret_value():
        return
    sealed = sealed_in(case.store)
    shut = [name for name, text in sealed.items() if not _opens(sealer(case.environment), text)]
    if shut:
        advice = "set STORM_MASTER_SECRET, or STORM_MASTER_SECRET_PREVIOUS, to what they were sealed with; or set them anew"
        yield bad("sealed", f"cannot be opened: {', '.join(sorted(shut)[:5])}{' ...' if len(shut) > 5 else ''}", advice)
    else:
        yield good("sealed", f"{len(sealed)} kept in the store, all can be opened" if sealed else "nothing is kept yet")


def sealed_in(store: Store) -> dict[str, str]:
    """Texts by what they are called."""
    found = {name: text for prefix in SEALED for name, text in store.settings_like(prefix).items()}
    for user in store.users():
        found |= {f"second factor of {user.name}": user.totp_sealed}
        for channel in store.channels_of(user.id):
            it = channels.of(channel.kind)
            found |= {f"{it.name} of {user.name}, {it.shown(channel.address)}": it.sealed_in(channel.address)}
    return {name: text for name, text in found.items() if text}


def is_local(url: str) -> bool:
    """Whether it leads to this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problems(found: tuple[str, ...]) -> Iterator[Finding]:
    """Of settings that cannot be used at all."""
    for problem in found:
        name = problem.partition(":")[0].partition(" ")[0]
        help_text = next((str(field.description) for field in Settings.model_fields.values() if field.alias == name), "")
        yield bad("settings", problem, f"{name}: {help_text}" if help_text else "see .env.example for all that can be set")


def _opens(seal: Sealer, text: str) -> bool:
    try:
        seal.unseal(text)
    except StormError:
        return False
    return True
