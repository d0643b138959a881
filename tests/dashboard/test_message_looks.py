import re

from dashboard.channels.looks import looks, notes
from stormalert import channels
from stormalert.model import ChannelKind

SHOWN = {kind for kind in ChannelKind if channels.of(kind).look}


def shown(text: str) -> dict[str, str]:
    """What stands on each paper, with its markup."""
    html = looks(text, "StormAlert <alerts@storm.example>")
    return dict(
        re.findall(r'<div class="paper (\w+)" style="[^"]+">(.*?)</div>\s*(?:<div class="buttons">|</figure>)', html, re.DOTALL)
    )


def test_the_headline_is_bold_in_telegram_the_subject_of_a_mail_and_a_line_in_whatsapp() -> None:
    papers = shown("INFY 1,384.55\nup 2 %")
    assert papers["telegram"] == "<b>INFY 1,384.55</b>\nup 2 %"
    assert papers["whatsapp"] == "INFY 1,384.55\nup 2 %"
    assert papers["email"].startswith('<div class="head">StormAlert &lt;alerts@storm.example&gt;\n<b>INFY 1,384.55</b>')


def test_what_somebody_wrote_is_text_and_no_markup_on_any_paper() -> None:
    papers = shown("<script>alert(1)</script>\n<b>x</b>")
    assert set(papers) == SHOWN
    for kind, paper in papers.items():
        assert "<script>" not in paper and "<b>x" not in paper, kind
        assert "&lt;script&gt;" in paper and "&lt;b&gt;x" in paper, kind


def test_what_the_papers_do_not_show_is_said_below() -> None:
    assert notes() == ["WhatsApp puts it into its template when you have not written to our number for 24 hours."]
