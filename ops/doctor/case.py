"""What all checks look at: the settings as they count, and the store where it can be opened."""

from dataclasses import dataclass

from stormalert.config.settings import Settings
from stormalert.health.finding import Finding
from stormalert.store import Store


@dataclass(frozen=True)
class Case:
    """`config` is with admins' overrides; `environment` without. `now_ms`: by this machine's clock."""

    environment: Settings
    config: Settings
    store: Store | None
    now_ms: int
    # What there was to say when the store was opened.
    of_store: tuple[Finding, ...] = ()
