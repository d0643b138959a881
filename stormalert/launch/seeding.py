"""Brings the demo to life step by step, while the processes are being watched: sign-in, Kite login, watchlist, rules."""

import time
from collections.abc import Sequence

import redis

from stormalert import keys
from stormalert.errors import StormError
from stormalert.launch import admin, demo
from stormalert.launch.kite_login import log_in
from stormalert.launch.plan import Plan
from stormalert.model import Instrument, User
from stormalert.store import Store

# A login that failed is tried again after this.
LOGIN_AGAIN_S = 5
# What recordings call an instrument, where it differs from its trading symbol.
ALIASES = {"NIFTY": "NIFTY 50", "BANKNIFTY": "NIFTY BANK"}


class Seeding:
    """`advance` does what can be done now and returns what a person is told of it; it waits for nothing."""

    def __init__(self, plan: Plan, store: Store, client: redis.Redis) -> None:
        self._plan, self._store, self._redis = plan, store, client
        self._user: User | None = None
        self._login_after_s = 0.0
        self.is_done = False

    def advance(self) -> list[str]:
        if self._user is None:
            self._user = admin.ensure(self._store, demo.USER, self._plan.demo_password)
            demo.ensure_channels(self._store, self._user, self._plan.settings)
        if self._redis.hget(keys.FEED, "state") == "login_needed":
            return self._log_in()
        instruments = demo.listed(self._store)
        if not instruments:
            return []
        self.is_done = True
        return [self._put_rules(self._user, instruments)]

    def _log_in(self) -> list[str]:
        if time.monotonic() < self._login_after_s:
            return []
        self._login_after_s = time.monotonic() + LOGIN_AGAIN_S
        try:
            log_in(self._plan.dashboard_url, demo.USER, self._plan.demo_password)
        except StormError as error:
            return [f"! kite       not logged in yet: {error}"]
        return ["✓ kite       logged in on the sandbox's login page"]

    def _put_rules(self, user: User, instruments: Sequence[Instrument]) -> str:
        if self._plan.recording:
            symbols = {trading_symbol(symbol) for symbol in self._plan.recording.symbols}
            instruments = [it for it in instruments if it.symbol in symbols]
            watched = demo.ensure_watchlist(self._store, user, instruments)
            rules = demo.ensure_rules(self._store, demo.replay_rules(user, instruments))
        else:
            watched = demo.ensure_watchlist(self._store, user, instruments)
            rules = demo.ensure_rules(self._store, demo.demo_rules(user, instruments))
        return f"✓ demo       {watched} instruments watched, {rules} rules"


def trading_symbol(recorded: str) -> str:
    """NSE:NIFTY 50 for NIFTY, NSE:INFY for INFY."""
    bare = recorded.removeprefix("NSE:")
    return f"NSE:{ALIASES.get(bare, bare)}"
