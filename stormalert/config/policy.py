"""What an installation allows: plans with their limits, who needs a second factor, how long things are kept. Admins set it."""

from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from stormalert.config.stored import POLICY
from stormalert.errors import Conflict, InputError
from stormalert.model import Record, Role, User, sentences
from stormalert.store import Store

USUAL_PLAN = "standard"

Made = TypeVar("Made", bound=Record)
PlanName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Days = Annotated[int, Field(ge=1, le=3650)]


class LimitReached(InputError):
    """More than the user's plan allows."""


class SecondFactor(StrEnum):
    """Who must have one."""

    OPTIONAL = "optional"
    ADMINS = "admins"
    EVERYONE = "everyone"


class Plan(Record):
    rules: int = Field(default=20_000, ge=0, le=1_000_000)
    channels: int = Field(default=20, ge=0, le=100)
    alerts_per_hour: int = Field(default=0, ge=0, le=100_000, description="0: as STORM_ALERTS_PER_HOUR says")


class Policy(Record):
    plans: dict[PlanName, Plan] = Field(default={USUAL_PLAN: Plan()}, min_length=1, max_length=20)
    second_factor: SecondFactor = SecondFactor.OPTIONAL
    keep_days: Days = Field(default=365, description="alerts with their deliveries")
    keep_audit_days: Days = Field(default=730, description="the audit log")

    def plan_of(self, name: str) -> Plan:
        """By its name; where there is none of it, the usual one."""
        return self.plans.get(name) or self.plans.get(USUAL_PLAN) or Plan()

    def demands_second_factor(self, user: User) -> bool:
        if self.second_factor is SecondFactor.ADMINS:
            return user.role is Role.ADMIN
        return self.second_factor is SecondFactor.EVERYONE


def read(store: Store) -> Policy:
    text = store.setting(POLICY.name)
    if not text:
        return Policy()
    try:
        return Policy.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"the policy cannot be read: {'; '.join(sentences(error))}") from None


def save(store: Store, policy: Policy) -> None:
    store.save_setting(POLICY.name, policy.model_dump_json())


def change(store: Store, policy: Policy) -> None:
    """Saves what an admin wants. Raises InputError, and Conflict when a plan that goes is somebody's."""
    if USUAL_PLAN not in policy.plans:
        raise InputError(f"found no plan {USUAL_PLAN!r}, expected it among the plans: it is for whoever has no other")
    if used := {user.plan for user in store.users() if user.plan} - set(policy.plans):
        raise Conflict(f"The plan {min(used)!r} is used by somebody; give them another one first.")
    save(store, policy)


def checked(kind: type[Made], fields: dict[str, Any]) -> Made:
    """Raises InputError."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise InputError("; ".join(sentences(error))) from None


def plan(store: Store, user_id: str) -> Plan:
    user = store.user(user_id)
    return read(store).plan_of(user.plan if user else "")


def check_rules(store: Store, user_id: str, more: int = 1) -> None:
    """Raises LimitReached when the user may not have so many more rules."""
    _check("rules", plan(store, user_id).rules, store.count_rules(user_id), more)


def check_channels(store: Store, user_id: str, more: int = 1) -> None:
    """Raises LimitReached when the user may not have so many more channels."""
    _check("channels", plan(store, user_id).channels, len(store.channels_of(user_id)), more)


def _check(noun: str, most: int, there: int, more: int) -> None:
    if more and there + more > most:
        wanted = "one more" if more == 1 else f"{more} more"
        raise LimitReached(f"Your plan allows {most} {noun}; there are {there}, and {wanted} would be too many.")
