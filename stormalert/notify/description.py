"""What is known of a kind of channel: all that pages, bot, limits, doctor, demo and documents say and do about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stormalert.config.settings import Settings, value_of
from stormalert.errors import DeliveryError, Permanent, Retryable
from stormalert.model import DeliveryState

MASTER_SECRET = "STORM_MASTER_SECRET"  # noqa: S105 - a name, not a secret


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a provider's answer says of a message."""

    # As the history shows it.
    reason: str
    is_retried: bool = False
    # Of what is tried again: after which time, where the answer names none.
    after_s: float | None = None
    # And how often at most; 0: as long as it is news.
    most_tries: int = 0
    is_address_dead: bool = False
    needs_admin: bool = False
    # What to do about it.
    hint: str = ""
    # The same message may go out as a template that the provider approved.
    wants_template: bool = False

    def error(self, detail: str = "", after_s: float | None = None) -> DeliveryError:
        if self.is_retried:
            return Retryable(self.reason, detail, self.after_s if after_s is None else after_s, self.most_tries)
        told = "; ".join(filter(None, (self.hint, detail)))
        return Permanent(self.reason, told, is_address_dead=self.is_address_dead, needs_admin=self.needs_admin)


# An answer that no table lists is tried again, and shown when that does not help.
UNKNOWN = Meaning("provider error", is_retried=True)
# One that says that the fault is ours hardly passes by waiting.
UNKNOWN_REFUSAL = Meaning("provider error", is_retried=True, most_tries=3)
TIMED_OUT = Meaning("timed out", is_retried=True)


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many messages in any window; `of` says what they have in common, `name` tells apart two limits of the same."""

    most: int
    window_ms: int
    of: str = ""
    name: str = ""


class MessagePreview(NamedTuple):
    """A message before it is sent, as texts; `sender` is whom mails come from."""

    headline: str
    details: str
    sender: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a message looks where it arrives: `html` escapes what it is given."""

    caption: str
    html: Callable[[MessagePreview], str]
    style: str
    buttons: tuple[str, ...] = ()
    note: str = ""


class Judgement(NamedTuple):
    """What an answer to the doctor's question says; `advice` is empty when all is well."""

    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What the doctor asks a provider: a mail server for a greeting, any other at `path` under `root`."""

    subject: str
    root: Callable[[Settings], str]
    path: Callable[[Settings], str] = lambda _config: ""
    # User and password, where the question is signed in.
    login: Callable[[Settings], tuple[str, str] | None] = lambda _config: None
    # Of the answer's status and JSON.
    judge: Callable[[int, Mapping[str, Any]], Judgement] = lambda status, _fields: Judgement(f"answers with status {status}")


class SandboxPlaces(NamedTuple):
    """Where the sandbox plays the providers, and the dashboard that they call; `unlimited` is a rate that limits nothing."""

    http: str
    smtp: str
    dashboard: str
    unlimited: str


class DemoAddress(NamedTuple):
    """Whom the demo writes to, as long as `root` leads to the sandbox."""

    address: str
    root: str


@dataclass(frozen=True, kw_only=True)
class ChannelDescription:
    # As a title and within a sentence: E-mail, e-mail.
    name: str
    noun: str
    icon: str
    # The settings without which there is none; what else belongs to the account; what belongs to the machine.
    needs: tuple[str, ...]
    options: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()
    # For an admin: how to come by what it needs.
    set_up: str
    # For its owner: what an address looks like, and what to do when it was switched off.
    address_help: str
    mend: str
    # The address as it is stored. Raises InputError, with what was found and without a secret.
    check: Callable[[str, Settings], str]
    # Of a stored one: without the secret that may be in it, and that secret, sealed; empty where there is none.
    shown: Callable[[str], str] = str
    sealed_in: Callable[[str], str] = lambda _address: ""
    # Characters of a message, counted as the provider counts.
    longest: int
    limits: Callable[[str, Settings], tuple[RateLimit, ...]] = lambda _address, _config: ()
    # What the provider tells of a message that it took, the furthest first.
    reports: tuple[DeliveryState, ...] = (DeliveryState.SENT,)
    can_be_silent: bool = False
    # Proven by opening a link, too; and what is written there are orders, so an address speaks for one user.
    has_link: bool = False
    # Its receiver checks our signature.
    is_signed: bool = False
    # The server is one that the owner chose: what is wrong there is the owner's to mend, and no admin's.
    is_owners_server: bool = False
    # By the provider's code, by the first digit of a status (5xx), or by what happened, in words.
    errors: Mapping[int | str, Meaning]
    look: Look | None = None
    question: Question | None = None
    # What lets the sandbox stand in, and an address there.
    in_sandbox: Callable[[SandboxPlaces], Mapping[str, str]]
    demo: Callable[[Settings], DemoAddress]
    # What the documents say of it beside all that.
    remarks: str = field(default="", compare=False)

    @property
    def account(self) -> tuple[str, ...]:
        """The settings that admins may set in the panel: not those that open what is kept sealed there."""
        return tuple(name for name in (*self.needs, *self.options) if name != MASTER_SECRET)

    @property
    def settings(self) -> tuple[str, ...]:
        return (*self.account, *self.machine)

    def is_set_up(self, config: Settings) -> bool:
        return not self.missing(config)

    def missing(self, config: Settings) -> list[str]:
        return [name for name in self.needs if not value_of(config, name)]

    def meaning(self, code: int | str) -> Meaning:
        return self.errors.get(code) or self.errors.get(f"{str(code)[:1]}xx") or UNKNOWN
