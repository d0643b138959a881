"""What may be the address of a server that a user chose; where its name leads to is checked when it is used."""

from urllib.parse import urlsplit

from stormalert.notify.description import Meaning

LONGEST = 254
ADDRESS_REFUSED = Meaning("address refused", is_address_dead=True)


def checked_url(text: str, *, allows_private: bool) -> str:
    """The URL. Raises ValueError, without the URL in its text: it may hold a secret."""
    schemes = ("https", "http") if allows_private else ("https",)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("it is a URL with a port up to 65535") from None
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"it begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds no user and no password")
    if port == 0 or len(text) > LONGEST or not text.isascii() or any(letter <= " " or letter == "\x7f" for letter in text):
        raise ValueError(f"it has at most {LONGEST} letters, digits and signs, and no spaces")
    return text
