"""How far an installation is on its way to the first alert, for its admins, and whether they still want to be led."""

from dashboard import resources
from dashboard.system import onboarding_steps
from dashboard.system.onboarding_steps import OnboardingFacts, OnboardingStep
from stormalert.config.stored import ONBOARDING_CLOSED
from stormalert.model import Instrument
from stormalert.process import REDIS_ERRORS, is_beating
from stormalert.redis import keys

# Large stocks that everybody knows, and the index: offered as far as Kite lists them today.
OFFERED = (
    "NIFTY 50", "RELIANCE", "TCS", "HDFCBANK", "ICICIBANK", "INFY", "SBIN", "BHARTIARTL", "ITC", "LT", "AXISBANK", "KOTAKBANK",
    "HINDUNILVR", "BAJFINANCE", "MARUTI", "TITAN", "SUNPHARMA", "ASIANPAINT", "WIPRO", "TATASTEEL", "ULTRACEMCO",
)  # fmt: skip


def is_closed() -> bool:
    return bool(resources.store().setting(ONBOARDING_CLOSED.name))


def close() -> None:
    resources.store().save_setting(ONBOARDING_CLOSED.name, "closed")


def reopen() -> None:
    resources.store().delete_setting(ONBOARDING_CLOSED.name)


def look(user: str) -> list[OnboardingStep]:
    """Of the admin who looks: their watchlist, channels and rules."""
    return onboarding_steps.steps(_facts(user))


def open_step(user: str) -> OnboardingStep | None:
    """What is to be done next, as long as it is wanted; the installation's part of it is anybody's."""
    return None if is_closed() else onboarding_steps.next_step(look(user))


def offered() -> list[Instrument]:
    """Those of the short list that are among Kite's instruments."""
    found = (resources.store().instrument_by_symbol(f"NSE:{name}") for name in OFFERED)
    return [instrument for instrument in found if instrument]


def _facts(user: str) -> OnboardingFacts:
    store, config = resources.store(), resources.config()
    return OnboardingFacts(
        has_key=bool(config.kite_api_key and config.kite_api_secret.get_secret_value()),
        feed_state=_feed_state(),
        has_instruments=bool(store.search_instruments("NSE:", 1)),
        watched=len(store.watchlist(user)),
        channels=sum(channel.takes_alerts for channel in store.channels_of(user)),
        rules=store.count_rules(user),
    )


def _feed_state() -> str:
    client = resources.thread_redis()
    try:
        # Without ingest the hash tells of the past.
        return str(client.hget(keys.FEED, "state") or "starting") if is_beating(client, "ingest") else ""
    except REDIS_ERRORS:
        return ""
