import re

from dashboard.channels.looks import looks


def shown(text: str) -> list[str]:
    """What stands on each of the three papers, with its markup."""
    html = looks(text, "StormAlert <alerts@storm.example>")
    return re.findall(r'<div class="paper \w+">(.*?)</div>\s*(?:<div class="buttons">|</figure>)', html, re.DOTALL)


def test_the_headline_is_bold_in_telegram_the_subject_of_a_mail_and_a_line_in_whatsapp() -> None:
    telegram, whatsapp, mail = shown("INFY 1,384.55\nup 2 %")
    assert telegram == "<b>INFY 1,384.55</b>\nup 2 %"
    assert whatsapp == "INFY 1,384.55\nup 2 %"
    assert mail.startswith('<div class="head">StormAlert &lt;alerts@storm.example&gt;\n<b>INFY 1,384.55</b>')


def test_what_somebody_wrote_is_text_and_no_markup() -> None:
    html = looks("<script>alert(1)</script>\n<b>x</b>", "a")
    assert "<script>" not in html and "<b>x" not in html
    assert html.count("&lt;script&gt;") == 4
