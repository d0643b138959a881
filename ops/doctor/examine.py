"""All checks, at the same time, in the order in which a person reads them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as LateError
from dataclasses import replace

from ops.doctor import certificates, configuration, keeping, machine, market, providers, running, servers
from ops.doctor.case import Case
from ops.doctor.finding import Finding, bad, secrets_of, without_secrets
from stormalert.config import overrides, settings
from stormalert.config.settings import Settings
from stormalert.errors import SettingsError, StormError
from stormalert.units import now_ms

# Each question has a time-out of its own; this is for what hangs nevertheless, such as a resolver.
WITHIN_S = 25

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
    running.check_alarms,
)


def examine() -> list[Finding]:
    try:
        environment = settings.load()
    except SettingsError as error:
        return list(configuration.problems(error.problems))
    return examine_with(environment)


def examine_with(environment: Settings) -> list[Finding]:
    store, of_store = keeping.open_for(environment)
    case = Case(environment, environment, store, now_ms(), tuple(of_store))
    try:
        if store is not None:
            case = replace(case, config=overrides.overlay(environment, store))
        found = _run(case)
    except StormError as error:
        found = [*_run(case), bad("store", str(error), "what is set as an override could not be read")]
    finally:
        if store is not None:
            store.close()
    secrets = {*secrets_of(environment), *secrets_of(case.config)}
    return [without_secrets(finding, sorted(secrets, key=len, reverse=True)) for finding in found]


def _run(case: Case) -> list[Finding]:
    threads = ThreadPoolExecutor(len(CHECKS), "check")
    running_checks = [(check, threads.submit(_all_of, check, case)) for check in CHECKS]
    until_s = time.monotonic() + WITHIN_S
    found = [finding for check, future in running_checks for finding in _result(check, future, until_s)]
    threads.shutdown(wait=False, cancel_futures=True)
    return found


def _all_of(check: Check, case: Case) -> list[Finding]:
    return list(check(case))


def _result(check: Check, future: "Future[list[Finding]]", until_s: float) -> list[Finding]:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return future.result(max(0.0, until_s - time.monotonic()))
    except LateError:
        return [bad(name, f"no result within {WITHIN_S} s", "something on the way to it hangs: a resolver, a firewall")]
    except Exception as error:  # boundary: one check that breaks does not hide what the others found
        return [bad(name, f"the check itself broke: {type(error).__name__}", "report it with the version of StormAlert")]
