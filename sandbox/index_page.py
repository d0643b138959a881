"""The front page: what runs where, and every lever with an example."""

from dataclasses import fields

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.faults import Faults
from sandbox.pages import page

LEVERS = (
    ("GET /control", "state of everything, as JSON"),
    ('POST /control/faults {"stream": {"mute": true}, "for_s": 10}', "set faults, for good or for some seconds"),
    ("DELETE /control/faults", "switch all faults off"),
    ("DELETE /control/rates", "count anew how often the rate limits were broken"),
    ("POST /control/drop", "cut all Kite sockets without a word"),
    ("POST /control/close", "close all Kite sockets with code 1000"),
    ("POST /control/kill-tokens", "end all access tokens, as at 06:00; open sockets stay open"),
    (
        'POST /control/print {"symbol": "INFY", "price": 1500.05, "count": 2}',
        'print trades at a chosen price; "keep": false: forgotten at once',
    ),
    ('POST /control/listing {"symbol": "INFY", "rename": "INFOSYS"}', 'another symbol in the next dump; or "listed": false'),
    ('POST /control/say {"type": "message", "data": "Hello"}', "a text message to all Kite sockets"),
    ('POST /control/playback {"speed": 60}', "play the recording from the start"),
    ('POST /control/telegram {"chat_id": 1001, "text": "/start"}', "let a person write to the bot"),
    ('POST /control/telegram {"message_id": 7, "press": "snooze"}', "let a person press a button"),
    ('POST /control/whatsapp {"from": "+919800000001", "text": "hi"}', "let a person write: opens the 24 hours for free text"),
    ('POST /control/webhook {"name": "NAME", "secret": "whsec_..."}', "check the signatures of what comes to /webhook/NAME"),
    ('POST /control/ntfy {"topic": "TOPIC", "token": "tk_..."}', "let nobody write to the topic without the token"),
    ("GET /outbox.json?since=0&channel=telegram", "messages after an id, oldest first"),
    ("DELETE /outbox", "empty the outbox"),
    ("POST /webhook/NAME", "a receiver of outgoing webhooks"),
    ("GET /TOPIC/json?poll=1", "what came to a topic of the ntfy server"),
)


class IndexPage:
    """Shows where each stand-in listens."""

    def __init__(self, places: list[tuple[str, str]], faults: Faults) -> None:
        self._places, self._faults = places, faults

    def routes(self) -> list[Route]:
        return [Route("/", self._show, methods=["GET"])]

    async def _show(self, request: Request) -> Response:
        faults = [self._part(it.name) for it in fields(self._faults)]
        return page("index.html", places=self._places, levers=LEVERS, faults=faults)

    def _part(self, part: str) -> list[tuple[str, str]]:
        section = getattr(self._faults, part)
        return [(f"{part}.{it.name}", str(it.metadata["help"])) for it in fields(section)]
