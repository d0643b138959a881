"""Telegram's HTML: what its server accepts, and the same text made safe to show on a page."""

from html import escape
from html.parser import HTMLParser

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler", "span"}
LINKS = ("http://", "https://", "tg://", "mailto:")


class TextError(ValueError):
    """Text that Telegram would refuse; the message is Telegram's."""


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.safe: list[str] = []
        self.plain: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise TextError(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {self._offset()}')
        self.open_tags.append(tag)
        target = dict(attrs).get("href") or ""
        is_link = tag == "a" and target.startswith(LINKS)
        self.safe.append(f'<a href="{escape(target)}" rel="noreferrer">' if is_link else f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags[-1] != tag:
            raise TextError(f"can't parse entities: Unexpected end tag at byte offset {self._offset()}")
        self.safe.append(f"</{self.open_tags.pop()}>")

    def handle_data(self, data: str) -> None:
        self.safe.append(escape(data))
        self.plain.append(data)

    def _offset(self) -> int:
        line, column = self.getpos()
        return sum(map(len, self.rawdata.splitlines(keepends=True)[: line - 1])) + column


def parsed(html: str) -> tuple[str, str]:
    """Give the safe HTML and the plain text of a message in parse mode HTML."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    if parser.open_tags:
        raise TextError(f"can't parse entities: Can't find end tag corresponding to start tag \"{parser.open_tags[-1]}\"")
    return "".join(parser.safe), "".join(parser.plain)
