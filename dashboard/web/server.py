"""The dashboard as one ASGI app: Streamlit's pages, our routes beside them, the middleware around both."""

import asyncio
import hashlib
import hmac
import logging
import sys
import tomllib
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from streamlit.web import bootstrap

from dashboard import metrics, resources
from dashboard.accounts import authentication, one_time_links, sign_in
from dashboard.api import make_api
from dashboard.channels import callbacks, unsubscribe
from dashboard.system.queue_board import pass_on
from dashboard.web import health, kite, pages
from dashboard.web.access_rules import AccessMount, AccessRoute, AccessRule
from dashboard.web.auth import AuthMiddleware
from dashboard.web.files import Files
from dashboard.web.headers import SecurityHeaders
from stormalert import asgi, logs
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.model import Scope
from stormalert.notify import queue_board
from stormalert.process import Heartbeat

SCRIPT = Path(__file__).parents[1] / "main.py"
# Each opens by its own address; /admin has another rule.
PAGES = ("rules", "alerts", "instrument", "backtest", "channels", "settings")
# Read by us: Streamlit would look for it in the directory that the process happens to be started in.
LOOK = Path(__file__).parents[2] / ".streamlit" / "config.toml"
# Open pages keep a websocket; a stop does not wait for them longer.
LAST_ANSWERS_S = 1


def routes() -> list[AccessRoute | AccessMount]:
    """All that is ours; everything else is Streamlit's."""
    return [
        AccessRoute("/login", sign_in.get_login, AccessRule.ANYBODY),
        AccessRoute("/login", sign_in.post_login, AccessRule.ANYBODY, "POST"),
        AccessRoute("/login/code", sign_in.post_code, AccessRule.ANYBODY, "POST"),
        AccessRoute("/login/enrol", sign_in.post_enrolment, AccessRule.ANYBODY, "POST"),
        AccessRoute("/logout", sign_in.post_logout, AccessRule.MEMBER, "POST"),
        AccessRoute("/logout", sign_in.get_logout, AccessRule.MEMBER),
        AccessRoute("/join/{token}", one_time_links.get_join, AccessRule.SIGNED),
        AccessRoute("/join/{token}", one_time_links.post_join, AccessRule.SIGNED, "POST"),
        AccessRoute("/reset/{token}", one_time_links.get_reset, AccessRule.SIGNED),
        AccessRoute("/reset/{token}", one_time_links.post_reset, AccessRule.SIGNED, "POST"),
        AccessRoute("/kite/login", kite.to_kite, AccessRule.ADMIN),
        AccessRoute("/kite/callback", kite.from_kite, AccessRule.ADMIN),
        AccessRoute("/callbacks/twilio/{delivery}", callbacks.status, AccessRule.SIGNED, "POST"),
        AccessRoute("/callbacks/whatsapp", callbacks.inbound, AccessRule.SIGNED, "POST"),
        AccessRoute("/unsubscribe/{token}", unsubscribe.ask, AccessRule.SIGNED),
        AccessRoute("/unsubscribe/{token}", unsubscribe.unsubscribe, AccessRule.SIGNED, "POST"),
        AccessRoute("/healthz", health.healthz, AccessRule.ANYBODY),
        AccessRoute("/readyz", health.readyz, AccessRule.ANYBODY),
        AccessRoute("/metrics", metrics.metrics, AccessRule.ADMIN, scope=Scope.READ),
        AccessMount("/api", make_api()),
        AccessMount("/assets", Files(), AccessRule.MEMBER),
        # Where tools look for it first.
        AccessRoute("/openapi.json", pages.to_openapi, AccessRule.ANYBODY),
        AccessRoute("/admin", pages.open_page, AccessRule.ADMIN),
        *(AccessRoute(f"{queue_board.PATH}/{{path:path}}", pass_on, AccessRule.ADMIN, method) for method in ("GET", "POST")),
        *(AccessRoute(f"/{name}", pages.open_page, AccessRule.MEMBER) for name in PAGES),
    ]


def make_app(config: Settings) -> st.App:
    """Raises StormError when nobody could sign in."""
    if not config.jwt_secret.get_secret_value():
        raise StormError("JWT_SECRET is not set: sessions cannot be signed (make run makes one; else: openssl rand -hex 32)")
    bootstrap.load_config_options(
        _options(tomllib.loads(LOOK.read_text()))
        | {
            "server_address": config.host,
            "server_port": config.port,
            # It protects Streamlit's own XSRF cookie: the same in every dashboard, so that any of them takes the others'.
            "server_cookieSecret": _cookie_secret(config.jwt_secret.get_secret_value()),
        }
    )
    # Streamlit takes those of its servers along.
    logs.adopt("streamlit", "uvicorn", "websockets")
    ours = routes()
    # The outermost first.
    return st.App(SCRIPT, routes=ours, middleware=[Middleware(SecurityHeaders), Middleware(AuthMiddleware, routes=ours)])


def _cookie_secret(jwt_secret: str) -> str:
    return hmac.new(jwt_secret.encode(), b"stormalert streamlit", hashlib.sha256).hexdigest()


def _options(tables: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"theme": {"light": {"textColor": …}}}` as `{"theme_light_textColor": …}`."""
    found: dict[str, Any] = {}
    for name, value in tables.items():
        found |= _options(value, f"{prefix}{name}_") if isinstance(value, dict) else {prefix + name: value}
    return found


async def serve(config: Settings, stopping: asyncio.Event) -> None:
    listening = asgi.listen(config.host, config.port, "STORM_HOST, STORM_PORT")
    app = make_app(config)
    resources.remember_loop()
    # Opened here, so that a store that cannot be opened is told at the start and not on a page.
    await asyncio.to_thread(resources.follow_overrides)
    if path := await asyncio.to_thread(one_time_links.offer_first_admin, resources.store()):
        # Not by way of the log: it is for the person who starts it, and good once.
        root = config.public_url.rstrip("/") or f"http://{config.host}:{config.port}"
        print(
            f"There is no user yet. Make the first admin at {root}{path} (good once, for a day).", file=sys.stderr, flush=True
        )
    heart = Heartbeat("dashboard", resources.loop_redis(), config.beat_path)
    # One dictionary: what is counted is what the heartbeat shows.
    heart.stats = authentication.counts
    beating = asyncio.create_task(heart.beat_until(stopping))
    logging.getLogger("stormalert").info("listening", extra={"address": f"http://{config.host}:{config.port}/"})
    await asgi.serve_until(
        stopping,
        app,
        listening,
        goodbye_s=LAST_ANSWERS_S,
        forwarded_allow_ips=config.trusted_proxies,
        ws="websockets-sansio",
    )
    stopping.set()
    await beating
    await resources.loop_redis().aclose()
