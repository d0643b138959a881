"""Twilio's error codes and what a delivery does about each (twilio.com/docs/api/errors).

Two read the table: the channel, when Twilio refuses a message at once, and the dashboard's call-back, when Twilio took the
message and it failed later. A code that is not listed is tried again, and shown when that does not help.
"""

from dataclasses import dataclass

from stormalert.errors import DeliveryError, Permanent, Retryable


@dataclass(frozen=True, slots=True)
class Row:
    """What a code means; a row without a pause is permanent."""

    reason: str
    after_s: float | None = None
    is_address_dead: bool = False
    needs_admin: bool = False
    # The same alert may go out as an approved template.
    wants_template: bool = False


RATE_LIMITED = 20429
OUTSIDE_WINDOW = 63016

TABLE = {
    # Twilio limits concurrent requests and does not say how long to wait.
    RATE_LIMITED: Row("rate limited", after_s=2.0),
    63018: Row("rate limited", after_s=10.0),
    OUTSIDE_WINDOW: Row("outside the 24 hours after the recipient's last message", wants_template=True),
    21610: Row("opted out by the recipient", is_address_dead=True),
    63014: Row("blocked by the recipient", is_address_dead=True),
    63015: Row("the recipient has not joined the sandbox", is_address_dead=True),
    21211: Row("not a WhatsApp number", is_address_dead=True),
    21614: Row("not a WhatsApp number", is_address_dead=True),
    63024: Row("not a WhatsApp number", is_address_dead=True),
    20003: Row("credentials refused", needs_admin=True),
    63003: Row("the sender is not a WhatsApp channel", needs_admin=True),
    63007: Row("the sender is not a WhatsApp channel", needs_admin=True),
    63005: Row("content refused", needs_admin=True),
    63021: Row("content refused", needs_admin=True),
    63032: Row("declined by Meta, which wants a template of the utility category", needs_admin=True),
    63049: Row("declined by Meta, which wants a template of the utility category", needs_admin=True),
}
UNKNOWN = Row("provider error")


def meaning(code: int) -> Row:
    return TABLE.get(code, UNKNOWN)


def reason_of(code: int, *, has_template: bool) -> str:
    """In words, of a message that failed after Twilio took it."""
    detail = f"Twilio {code}" if code else "without a code"
    row = meaning(code)
    return f"{row.reason}: {detail}" if row.wants_template and has_template else str(error_of(code, detail))


def error_of(code: int, detail: str) -> DeliveryError:
    """The code as an error; one that wants a template is permanent for who has none."""
    row = meaning(code)
    if row is UNKNOWN or row.after_s is not None:
        return Retryable(row.reason, detail, after_s=row.after_s)
    hint = "set STORM_TWILIO_CONTENT_SID to an approved template, or write to the number" if row.wants_template else ""
    return Permanent(
        row.reason,
        "; ".join(filter(None, (hint, detail))),
        is_address_dead=row.is_address_dead,
        needs_admin=row.needs_admin or row.wants_template,
    )
