"""Brings the demo to life step by step, while the processes are being watched: sign-in, Kite login, watchlist, rules."""

import time
from collections.abc import Sequence

import redis

from ops.launch import admin, demo
from ops.launch.kite_login import log_in
from ops.launch.plan import RunPlan
from stormalert.errors import StormError
from stormalert.model import Instrument, User
from stormalert.redis import keys
from stormalert.store import Store
from stormalert.units import now_ms
from stormalert.words import count_of

# Ingest needs a moment to take up a login; one that failed is tried again.
LOGIN_AGAIN_S = 10
# What recordings call an instrument, where it differs from its trading symbol.
ALIASES = {"NIFTY": "NIFTY 50", "BANKNIFTY": "NIFTY BANK"}


class Seeding:
    """`advance` does what can be done now and returns what a person is told of it; it waits for nothing."""

    def __init__(self, plan: RunPlan, store: Store, client: redis.Redis, since_ms: int | None = None) -> None:
        """What ingest said before `since_ms`, by default now, is another run's."""
        self._plan, self._store, self._redis = plan, store, client
        self._since_ms = now_ms() if since_ms is None else since_ms
        self._user: User | None = None
        self._is_put = False
        self._login_after_s = 0.0
        # The feed streams, and everything that the demo needs is in the store.
        self.is_done = False

    def advance(self) -> list[str]:
        if self._user is None:
            self._user = admin.ensure(self._store, demo.USER, self._plan.demo_password, demo.USER)
            demo.ensure_channels(self._store, self._user, self._plan.settings)
        said: list[str] = []
        state = self._feed_state()
        if state == "login_needed" and time.monotonic() >= self._login_after_s:
            self._login_after_s = time.monotonic() + LOGIN_AGAIN_S
            said.append(self._log_in())
        if state and not self._is_put and (instruments := demo.listed(self._store)):
            said.append(self._put(self._user, instruments))
            self._is_put = True
        self.is_done = self._is_put and state == "streaming"
        return said

    def _feed_state(self) -> str:
        """In ingest's words; empty as long as they are those of an earlier run."""
        state, since_ms = self._redis.hmget(keys.FEED, "state", "since_ms")
        return str(state) if int(since_ms or 0) >= self._since_ms else ""

    def _log_in(self) -> str:
        try:
            log_in(self._plan.dashboard_url, demo.USER, self._plan.demo_password, self._ways())
        except StormError as error:
            return f"! kite       not logged in yet: {error}"
        return "✓ kite       logged in on the sandbox's login page"

    def _ways(self) -> dict[str, str]:
        """What browsers are told, and where that is for us: behind nginx the two differ."""
        config = self._plan.settings
        return {config.kite_login_root: config.kite_api_root, config.public_url: self._plan.dashboard_url}

    def _put(self, user: User, instruments: Sequence[Instrument]) -> str:
        if self._plan.recording:
            symbols = {trading_symbol(symbol) for symbol in self._plan.recording.symbols}
            instruments = [it for it in instruments if it.symbol in symbols]
        rules = (demo.replay_rules if self._plan.recording else demo.demo_rules)(user, instruments)
        count = demo.ensure_rules(self._store, rules)
        watched = demo.ensure_watchlist(self._store, user, instruments)
        return f"✓ demo       {count_of(watched, 'instrument')} watched, {count} rules"


def trading_symbol(recorded: str) -> str:
    """NSE:NIFTY 50 for NIFTY, NSE:INFY for INFY."""
    bare = recorded.removeprefix("NSE:")
    return f"NSE:{ALIASES.get(bare, bare)}"
