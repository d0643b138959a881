"""How a message looks where it arrives, the channels side by side. Pure."""

from markupsafe import Markup

from dashboard.web.html import render
from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.notify.description import Look, MessagePreview


def looks(text: str, sender: str) -> str:
    """As HTML. The first line is the headline. `sender`: whom mails come from."""
    headline, _, details = text.partition("\n")
    preview = MessagePreview(headline, details, sender)
    # The channels' own looks escape what they are given.
    papers = [{"kind": kind, "look": look, "html": Markup(look.html(preview))} for kind, look in _looks()]  # noqa: S704
    return render("channels/looks.html", papers=papers)


def notes() -> list[str]:
    """What the looks do not show, a sentence each."""
    return [look.note for _kind, look in _looks() if look.note]


def _looks() -> list[tuple[ChannelKind, Look]]:
    return [(kind, look) for kind in ChannelKind if (look := channels.of(kind).look)]
