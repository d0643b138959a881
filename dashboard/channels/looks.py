"""How a message looks where it arrives: Telegram, WhatsApp and a mail program, side by side. Pure; the text is escaped."""

from html import escape

_STYLE = """<style>
.looks{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem;align-items:start}
.looks figure{margin:0;min-width:0}.looks figcaption{font-size:.8rem;opacity:.75;margin-bottom:.25rem}
.looks div.paper{border-radius:.6rem;padding:.7rem .8rem;overflow-wrap:anywhere;white-space:pre-wrap;font-size:.9rem;
line-height:1.4;font-variant-numeric:tabular-nums;color:#101820}
.looks .telegram{background:#dfeefb}.looks .whatsapp{background:#dcf5d0}.looks .mail{background:#fff;border:1px solid #c5ccd6}
.looks .buttons{display:flex;gap:.3rem;margin-top:.3rem;font-size:.8rem;flex-wrap:wrap}
.looks .buttons span{border:1px solid color-mix(in srgb,currentColor 30%,transparent);border-radius:.4rem;padding:.1rem .5rem}
.looks .head{border-bottom:1px solid #d5dbe3;padding-bottom:.4rem;margin-bottom:.5rem;font-size:.82rem;color:#465362}
.looks .head b{color:#101820;font-size:.95rem}
</style>"""


def looks(text: str, sender: str) -> str:
    """The first line is the headline. `sender`: whom mails come from."""
    headline, _, details = text.partition("\n")
    bold, rest = escape(headline), escape(details)
    telegram = f"<b>{bold}</b>" + (f"\n{rest}" if details else "")
    buttons = "".join(f"<span>{name}</span>" for name in ("Snooze 1 h", "Pause rule", "Chart"))
    mail = f'<div class="head">{escape(sender)}\n<b>{escape(" ".join(headline.split()))}</b></div><b>{bold}</b>'
    mail += f"\n{rest}" if details else ""
    return (
        f'{_STYLE}<div class="looks">'
        + _figure("Telegram", "telegram", telegram, f'<div class="buttons">{buttons}</div>')
        + _figure("WhatsApp, within 24 hours after you wrote", "whatsapp", escape(text))
        + _figure("E-mail", "mail", mail)
        + "</div>"
    )


def _figure(caption: str, kind: str, html: str, below: str = "") -> str:
    return f'<figure><figcaption>{caption}</figcaption><div class="paper {kind}">{html}</div>{below}</figure>'
