"""HTML from the templates beside: what Streamlit does not draw itself, and pages without it. Every value is escaped.

The pages, which are sign-in and plain sentences, are self-contained: no script, no other request.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse

from stormalert import words

_HERE = Path(__file__).parent
_THEME, _PLAIN, _PAGES = ((_HERE / "assets" / f"{name}.css").read_text() for name in ("theme", "plain", "pages"))
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_templates = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    # A name that is misspelled is an error and no gap on the page.
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
# What each of Streamlit's pages begins with.
PAGES_STYLE = f"<style>{_THEME}{_PAGES}</style>"
_templates.globals["plain_style"] = Markup(f"<style>{_THEME}{_PLAIN}</style>")  # noqa: S704 - files of ours
_templates.filters |= {"moment": words.moment, "grouped": words.grouped}


def render(template: str, **values: object) -> str:
    """`template`: its path below templates/."""
    return _templates.get_template(template).render(values)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A whole page, whose template extends page.html."""
    # same-origin, not no-referrer: with that, browsers send "Origin: null" with the form.
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}
    return HTMLResponse(render(template, **values), status, headers)


def sentence_page(
    title: str, sentence: str, status: int, link: str = "/", link_text: str = "Back to StormAlert"
) -> HTMLResponse:
    return page("sentence.html", status, title=title, sentence=sentence, link=link, link_text=link_text)
