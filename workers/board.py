"""`python -m workers board`: rq-dashboard, for signed-in admins only, on a production WSGI server.

The dashboard shows it in a frame: it passes requests on with the cookies and the host of the browser, and this process looks at
each itself, as it does on its own port.
"""

import logging
import signal
import sys
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import rq_dashboard
import waitress
from flask import Flask, Response, redirect, request
from redis.exceptions import RedisError
from rq_dashboard import default_settings
from rq_dashboard import web as dashboard_pages

from stormalert import process
from stormalert.access.sessions import ACCESS_COOKIE, REFRESH_COOKIE, Sessions
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.logs import start_logging
from stormalert.notify import queue_board
from stormalert.store import Store, open_store
from workers.loop import Loop

# Makes JSON the serializer wherever rq-dashboard names none.
from workers.queues import SERIALIZER

log = logging.getLogger("stormalert")

THREADS = 4
_SAFE = ("GET", "HEAD", "OPTIONS")


def run() -> None:
    config = process.load_or_exit()
    start_logging("board", config)
    try:
        store = open_store(config.mongodb_uri, config.sqlite_path)
    except StormError as error:
        log.error(str(error))
        sys.exit(1)
    try:
        server = waitress.create_server(
            make_app(config, store),
            host=config.host,
            port=config.queue_board_port,
            threads=THREADS,
            ident=None,
        )
    except OSError as error:
        log.error(f"cannot listen on {config.host}:{config.queue_board_port}: {error.strerror}")
        sys.exit(1)
    # waitress ends on SystemExit.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    log.info("started", extra={"address": f"http://{config.host}:{config.queue_board_port}/"})
    client = process.connect(config.redis_url)
    with Loop() as loop, loop.beating(process.Heartbeat("board", client, config.beat_path)):
        server.run()
    log.info("stopped")


def make_app(config: Settings, store: Store) -> Flask:
    # rq-dashboard's pages look for their icon among the application's own files.
    files = str(Path(rq_dashboard.__file__).parent / "static")
    app = Flask("stormalert.board", static_folder=files, static_url_path=f"{queue_board.PATH}/icon")
    app.config.from_object(default_settings)
    app.config["RQ_DASHBOARD_REDIS_URL"] = config.rq_url
    dashboard_pages.config.serializer = SERIALIZER
    dashboard_pages.setup_rq_connection(app)
    sessions = Sessions(store, process.connect_in_thread(config.redis_url), config)

    @app.before_request
    def guard() -> Response | None:
        return _refusal(sessions)

    @app.after_request
    def harden(response: Response) -> Response:
        # By the dashboard's page, which has the same origin when it passes this on.
        response.headers["X-Frame-Options"] = "SAMEORIGIN"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    @app.errorhandler(RedisError)
    def redis_is_away(error: RedisError) -> Response:
        return _sentence(503, "The queue's Redis does not answer; try again in a moment.")

    @app.errorhandler(StormError)
    def store_is_away(error: StormError) -> Response:
        return _sentence(503, "The store does not answer; try again in a moment.")

    @app.get("/")
    def to_the_board() -> Response:
        return cast(Response, redirect(f"{queue_board.PATH}/"))

    app.register_blueprint(rq_dashboard.blueprint, url_prefix=queue_board.PATH)
    return app


def _refusal(sessions: Sessions) -> Response | None:
    # A new access token is left to the dashboard to give.
    who = sessions.find(request.cookies.get(ACCESS_COOKIE, ""), request.cookies.get(REFRESH_COOKIE, ""))
    if who is None:
        return _sentence(401, "Sign in to StormAlert as an admin, then come back.")
    if not who.is_admin:
        return _sentence(403, "Only admins may see the queue.")
    allowed = request.url_rule.methods if request.url_rule else None
    if request.method in _SAFE and allowed and "POST" in allowed:
        # rq-dashboard changes state on some GETs too, which any link could make a browser send.
        return _sentence(405, "This changes the queue: use POST.")
    if request.method not in _SAFE and urlsplit(request.headers.get("Origin", "")).netloc != request.host:
        return _sentence(403, "Requests that change the queue must come from this page.")
    return None


def _sentence(status: int, text: str) -> Response:
    return Response(f"{text}\n", status, mimetype="text/plain")
