"""What requests, and with it Kite's library, asks by: one deadline for the whole of a question.

The library's own time-out is of each read, which an answer that comes byte by byte never lets pass; it would hold its thread.
"""

import asyncio
import io
from concurrent.futures import CancelledError
from typing import Any

import httpx
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

# Names, connections and encryption alone.
CONNECT_S = 5.0


class KiteHttp(BaseAdapter):
    """Asks in the event loop that it is made in, for those who wait in threads; a question's `timeout` is of its whole."""

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(None, connect=CONNECT_S))

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """Raises requests.Timeout, and requests.ConnectionError without an address in it."""
        asking = asyncio.run_coroutine_threadsafe(self._ask(request, float(timeout)), self._loop)
        try:
            return _as_requests(request, asking.result())
        except (TimeoutError, httpx.TimeoutException):
            raise requests.Timeout(f"no whole answer within {timeout} s") from None
        except (httpx.HTTPError, CancelledError) as error:
            raise requests.ConnectionError(type(error).__name__) from None

    def close(self) -> None:
        """Not in the event loop, which does it."""
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result()

    async def _ask(self, request: requests.PreparedRequest, within_s: float) -> httpx.Response:
        asked: dict[str, Any] = {"headers": dict(request.headers), "content": request.body}
        async with asyncio.timeout(within_s):
            return await self._client.request(request.method or "GET", request.url or "", **asked)


def session() -> requests.Session:
    """One that asks by it."""
    found, http = requests.Session(), KiteHttp()
    for scheme in ("http://", "https://"):
        found.mount(scheme, http)
    return found


def _as_requests(request: requests.PreparedRequest, answer: httpx.Response) -> requests.Response:
    found = requests.Response()
    found.request, found.url = request, request.url or ""
    found.status_code, found.reason = answer.status_code, answer.reason_phrase
    found.headers = CaseInsensitiveDict(answer.headers)
    found.encoding = get_encoding_from_headers(found.headers)
    found.raw = io.BytesIO(answer.content)
    return found
