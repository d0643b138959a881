"""Telegram's HTML: what its server accepts, and the same text made safe to show on a page."""

from html import escape
from html.parser import HTMLParser
from typing import Any

TAGS = {"b", "strong", "i", "em", "u", "ins", "s", "strike", "del", "a", "code", "pre", "blockquote", "tg-spoiler", "span"}
LINKS = ("http://", "https://", "tg://", "mailto:")


class TextError(ValueError):
    """Text that Telegram would refuse; the message is Telegram's."""


ENTITIES = {
    **{"b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline", "a": "text_link"},
    **{"s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "code": "code", "pre": "pre"},
    **{"blockquote": "blockquote", "tg-spoiler": "spoiler", "span": "spoiler"},
}


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open_tags: list[str] = []
        self.safe: list[str] = []
        self.plain: list[str] = []
        self.entities: list[dict[str, Any]] = []
        self._begun: list[dict[str, Any]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise TextError(f'can\'t parse entities: Unsupported start tag "{tag}" at byte offset {self._offset()}')
        self.open_tags.append(tag)
        target = dict(attrs).get("href") or ""
        is_link = tag == "a" and target.startswith(LINKS)
        entity: dict[str, Any] = {"type": ENTITIES[tag], "offset": self._length()}
        self._begun.append(entity | {"url": target} if is_link else entity)
        self.safe.append(f'<a href="{escape(target)}" rel="noreferrer">' if is_link else f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open_tags or self.open_tags[-1] != tag:
            raise TextError(f"can't parse entities: Unexpected end tag at byte offset {self._offset()}")
        self.safe.append(f"</{self.open_tags.pop()}>")
        entity = self._begun.pop()
        self.entities.append(entity | {"length": self._length() - entity["offset"]})

    def handle_data(self, data: str) -> None:
        self.safe.append(escape(data))
        self.plain.append(data)

    def _length(self) -> int:
        """Of the text so far, as Telegram counts it: in UTF-16."""
        return len("".join(self.plain).encode("utf-16-le")) // 2

    def _offset(self) -> int:
        line, column = self.getpos()
        return sum(map(len, self.rawdata.splitlines(keepends=True)[: line - 1])) + column


def parsed(html: str) -> tuple[str, str]:
    """Give the safe HTML and the plain text of a message in parse mode HTML."""
    parser = _read(html)
    return "".join(parser.safe), "".join(parser.plain)


def entities(html: str) -> list[dict[str, Any]]:
    """Give what is bold, a link and so on, as Telegram tells it to bots."""
    return sorted((it for it in _read(html).entities if it["length"]), key=lambda it: (it["offset"], -it["length"]))


def _read(html: str) -> _Parser:
    parser = _Parser()
    parser.feed(html)
    parser.close()
    if parser.open_tags:
        raise TextError(f"can't parse entities: Can't find end tag corresponding to start tag \"{parser.open_tags[-1]}\"")
    return parser
