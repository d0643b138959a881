"""The pages of the sandbox, from the templates beside; every value is escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

STYLE = Path(__file__).with_name("style.css")
# Pages show what others wrote: even if some of it slipped through as a script, the browser would not run it.
POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src data:"
_templates = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A whole page, whose template extends page.html."""
    text = _templates.get_template(template).render(values)
    return HTMLResponse(text, status, headers={"Content-Security-Policy": POLICY})


def asset(path: str, file: Path) -> Route:
    """Serve one file that lies beside the code."""

    async def serve(request: Request) -> Response:
        return FileResponse(file)

    return Route(path, serve, methods=["GET"])
