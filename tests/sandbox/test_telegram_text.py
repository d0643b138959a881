import pytest

from sandbox.telegram_text import TextError, parsed


def test_formatting_is_kept_and_the_rest_escaped() -> None:
    html, plain = parsed('<b>A&amp;B</b> 1 &lt; 2 <a href="https://x.y">link</a>')
    assert html == '<b>A&amp;B</b> 1 &lt; 2 <a href="https://x.y" rel="noreferrer">link</a>'
    assert plain == "A&B 1 < 2 link"


def test_attributes_other_than_a_links_target_are_dropped() -> None:
    assert parsed('<b onclick="x()">A</b><a href="javascript:x()">B</a>')[0] == "<b>A</b><a>B</a>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<script>x</script>", 'Unsupported start tag "script" at byte offset 0'),
        ("ab <br>", 'Unsupported start tag "br" at byte offset 3'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<b><i>x</b></i>", "Unexpected end tag at byte offset 7"),
        ("x</b>", "Unexpected end tag"),
    ],
)
def test_telegram_would_refuse(text: str, reason: str) -> None:
    with pytest.raises(TextError) as refused:
        parsed(text)
    assert reason in str(refused.value)
