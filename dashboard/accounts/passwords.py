"""What a new password has to be."""

from stormalert.errors import InputError

# NIST SP 800-63B: length counts, composition rules do not.
LEAST, MOST = 12, 1024
RULE = f"A password has at least {LEAST} characters."


def check_new(new: str, again: str | None = None, current: str | None = None) -> None:
    """Raises InputError."""
    if not LEAST <= len(new) <= MOST:
        raise InputError(f"The new password needs {LEAST} to {MOST} characters, has {len(new)}.")
    if again is not None and new != again:
        raise InputError("The two new passwords differ.")
    if current is not None and new == current:
        raise InputError("The new password is the old one.")
