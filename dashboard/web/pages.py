"""A page that is opened by its own address, such as /rules from a bookmark."""

from functools import cache
from pathlib import Path

import streamlit as st
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

# Streamlit's script guesses where its server is, and asks below /rules first: two 404s in the console each time. So it is told.
_TOLD = '<script>window.__streamlit={BACKEND_BASE_URL:location.origin+"/"}</script>'


async def open_page(_request: Request) -> Response:
    return HTMLResponse(_index(), headers={"Cache-Control": "no-cache"})


async def to_openapi(_request: Request) -> Response:
    return RedirectResponse("/api/openapi.json", 307)


@cache
def _index() -> str:
    return (Path(st.__file__).parent / "static" / "index.html").read_text().replace("<head>", f"<head>{_TOLD}", 1)
