"""All checks, at the same time, in the order in which a person reads them."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from ops.doctor import certificates, configuration, keeping, machine, market, providers, running, servers
from ops.doctor.case import Case
from ops.doctor.secrets import secrets_of, without_secrets
from ops.doctor.within import started, within
from stormalert.config import overrides, settings
from stormalert.config.settings import Settings
from stormalert.errors import SettingsError, StormError
from stormalert.health.finding import Finding, bad
from stormalert.store import Store
from stormalert.units import now_ms

# Each question has a deadline of its own; this is for a check that has several, or hangs nevertheless.
WITHIN_S = 15
STORE_S = 6
CLOSE_S = 1

Check = Callable[[Case], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    configuration.check_settings,
    configuration.check_secrets,
    configuration.check_sealed,
    machine.check_versions,
    machine.check_disks,
    machine.check_permissions,
    keeping.check_store,
    servers.check_redis,
    providers.check_kite,
    *providers.channel_checks(),
    providers.check_public_url,
    certificates.check_certificates,
    market.check_calendar,
    running.check_running,
)


def examine() -> list[Finding]:
    try:
        environment = settings.load()
    except SettingsError as error:
        return list(configuration.problems(error.problems))
    return examine_with(environment)


def examine_with(environment: Settings) -> list[Finding]:
    store, of_store = _opened(environment)
    case = Case(environment, environment, store, now_ms(), tuple(of_store))
    try:
        if store is not None:
            case = replace(case, config=within(STORE_S, partial(overrides.overlay, environment, store)))
        found = _run(case)
    except (StormError, TimeoutError) as error:
        reason = str(error) or f"no answer within {STORE_S} s"
        found = [*_run(case), bad("store", reason, "what is set as an override could not be read")]
    finally:
        if store is not None:
            with contextlib.suppress(TimeoutError):
                within(CLOSE_S, store.close)
    secrets = {*secrets_of(environment), *secrets_of(case.config)}
    return [without_secrets(finding, sorted(secrets, key=len, reverse=True)) for finding in found]


def _opened(environment: Settings) -> tuple[Store | None, list[Finding]]:
    try:
        return within(STORE_S, partial(keeping.open_for, environment))
    except TimeoutError:
        advice = "look at its machine, or, where it is SQLite, for what holds its file; ticks are evaluated meanwhile"
        return None, [bad("store", f"it does not answer within {STORE_S} s", advice)]


def _run(case: Case) -> list[Finding]:
    running_checks = [(check, started(partial(_all_of, check, case))) for check in CHECKS]
    until_s = time.monotonic() + WITHIN_S
    return [finding for check, future in running_checks for finding in _result(check, future, until_s)]


def _all_of(check: Check, case: Case) -> list[Finding]:
    return list(check(case))


def _result(check: Check, future: "Future[list[Finding]]", until_s: float) -> list[Finding]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return future.result(max(0.0, until_s - time.monotonic()))
    except TimeoutError:
        return [bad(name, f"no result within {WITHIN_S} s", "something on the way to it hangs: a resolver, a firewall")]
    except Exception as error:  # boundary: one check that breaks does not hide what the others found
        return [bad(name, f"the check itself broke: {type(error).__name__}", "report it with the version of StormAlert")]
