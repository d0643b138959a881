"""How a message looks where it arrives, the channels side by side. Pure; the text is escaped."""

from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.notify.description import Look, MessagePreview

_STYLE = """<style>
.looks{display:grid;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));gap:1rem;align-items:start}
.looks figure{margin:0;min-width:0}.looks figcaption{font-size:.8rem;opacity:.75;margin-bottom:.25rem}
.looks div.paper{border-radius:.6rem;padding:.7rem .8rem;overflow-wrap:anywhere;white-space:pre-wrap;font-size:.9rem;
line-height:1.4;font-variant-numeric:tabular-nums;color:#101820}
.looks .buttons{display:flex;gap:.3rem;margin-top:.3rem;font-size:.8rem;flex-wrap:wrap}
.looks .buttons span{border:1px solid color-mix(in srgb,currentColor 30%,transparent);border-radius:.4rem;padding:.1rem .5rem}
.looks .head{border-bottom:1px solid #d5dbe3;padding-bottom:.4rem;margin-bottom:.5rem;font-size:.82rem;color:#465362}
.looks .head b{color:#101820;font-size:.95rem}
</style>"""


def looks(text: str, sender: str) -> str:
    """The first line is the headline. `sender`: whom mails come from."""
    headline, _, details = text.partition("\n")
    preview = MessagePreview(headline, details, sender)
    return f'{_STYLE}<div class="looks">{"".join(_figure(kind, look, preview) for kind, look in _looks())}</div>'


def notes() -> list[str]:
    """What the looks do not show, a sentence each."""
    return [look.note for _kind, look in _looks() if look.note]


def _looks() -> list[tuple[ChannelKind, Look]]:
    return [(kind, look) for kind in ChannelKind if (look := channels.of(kind).look)]


def _figure(kind: ChannelKind, look: Look, preview: MessagePreview) -> str:
    paper = f'<div class="paper {kind}" style="{look.style}">{look.html(preview)}</div>'
    buttons = "".join(f"<span>{name}</span>" for name in look.buttons)
    below = f'<div class="buttons">{buttons}</div>' if buttons else ""
    return f"<figure><figcaption>{look.caption}</figcaption>{paper}{below}</figure>"
