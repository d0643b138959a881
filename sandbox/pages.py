"""The frame that all pages of the sandbox share."""

from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

STYLE = Path(__file__).with_name("style.css")
# Pages show what others wrote: even if some of it slipped through as a script, the browser would not run it.
POLICY = "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src data:"


def page(title: str, body: str, status: int = 200, script: str = "") -> HTMLResponse:
    """Put a body, already escaped, into a whole page; `script` is the address of one of ours."""
    scripts = f'<script src="{escape(script)}" defer></script>' if script else ""
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · StormAlert sandbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/style.css">
{scripts}
</head>
<body><main>{body}</main></body>
</html>
""",
        status,
        headers={"Content-Security-Policy": POLICY},
    )


def asset(path: str, file: Path) -> Route:
    """Serve one file that lies beside the code."""

    async def serve(request: Request) -> Response:
        return FileResponse(file)

    return Route(path, serve, methods=["GET"])
