"""How a message looks where it arrives: Telegram, WhatsApp and a mail program, side by side. Pure."""

from dashboard.web.html import render


def looks(text: str, sender: str) -> str:
    """As HTML. The first line is the headline. `sender`: whom mails come from."""
    headline, *_ = text.split("\n", 1)
    subject = " ".join(headline.split())
    return render("channels/looks.html", headline=headline, details=text.removeprefix(headline), subject=subject, sender=sender)
