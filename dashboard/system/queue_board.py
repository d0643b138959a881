"""/admin/queue/: the queue's board, which is a process of its own, passed through to admins who are signed in here.

One sign-in opens both: the board gets the browser's cookies and host, and looks at them itself. Nothing of its answers is
rewritten, because its own paths begin like this.
"""

from functools import cache

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dashboard import resources
from stormalert.notify import queue_board

TIMEOUT_S = 10
AWAY = "The queue board does not answer: is the process `python -m workers board` running?"
# What it needs to see who asks, from where, for what; and what a browser needs of its answer. Both are lists of what is passed
# on, so that no header about the connection itself comes through.
_ASKED = ("accept", "accept-language", "content-type", "cookie", "host", "origin", "if-none-match", "if-modified-since")
_ANSWERED = ("content-type", "cache-control", "etag", "last-modified", "location", "x-frame-options", "referrer-policy")


@cache
def _client() -> httpx.AsyncClient:
    # It is on this machine or network: no proxy of the environment is asked. It redirects the browser, not us.
    return httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)


async def pass_on(request: Request) -> Response:
    headers = {name: found for name in _ASKED if (found := request.headers.get(name)) is not None}
    # As the browser spelled it: decoded, a # of a queue's name would end the path.
    path = request.scope["raw_path"].decode() + (f"?{request.url.query}" if request.url.query else "")
    address = queue_board.address(resources.config())
    body = await request.body()
    try:
        answer = await _client().request(request.method, f"{address}{path}", headers=headers, content=body)
    except httpx.HTTPError:
        return PlainTextResponse(f"{AWAY}\n", 502)
    passed = {name: found for name in _ANSWERED if (found := answer.headers.get(name)) is not None}
    return Response(answer.content, answer.status_code, passed)
