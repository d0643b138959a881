"""Wires the stand-ins into one process on one event loop."""

import argparse
import asyncio
import logging
import signal
import sys

import uvloop
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from sandbox import flags
from sandbox.control import Control
from sandbox.drip import http_protocol
from sandbox.exchange import Exchange
from sandbox.faults import Faults
from sandbox.history import History
from sandbox.index_page import IndexPage
from sandbox.kite import Kite
from sandbox.login import Login
from sandbox.ntfy import Ntfy
from sandbox.outbox import Outbox
from sandbox.outbox_page import OutboxPage
from sandbox.pages import STYLE, asset
from sandbox.rates import Rates
from sandbox.recording import RecordingError, read_ticks
from sandbox.servers import PortTaken, listen, serve_http, serve_mail, serve_stream
from sandbox.sessions import KiteSessions
from sandbox.smtp import Mailbox
from sandbox.smtp_certificate import certificate
from sandbox.state import open_database
from sandbox.telegram import Telegram
from sandbox.tls import tls_context
from sandbox.twilio import Twilio
from sandbox.webhook import WebhookReceiver


def main() -> int:
    options = flags.parse()
    try:
        if options.command == "ticks":
            print("time,symbol,price")
            for time_ms, symbol, paise in read_ticks(options.file):
                print(f"{time_ms},{symbol},{paise // 100}.{paise % 100:02}")
        else:
            uvloop.run(serve(options))
    except (PortTaken, RecordingError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of `ticks` has had enough: no complaint at exit either
    return 0


async def serve(options: argparse.Namespace) -> None:
    """Run every stand-in until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # A client that vanishes in the middle of a handshake is an everyday thing here.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    # aiosmtpd warns about a deprecation of its own whenever somebody signs in.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    http, stream, mail = (
        listen(options.host, port, flag)
        for port, flag in (
            (options.http_port, "--http-port"),
            (options.ws_port, "--ws-port"),
            (options.smtp_port, "--smtp-port"),
        )
    )
    stream_tls = listen(options.host, options.tls_port, "--tls-port") if options.tls_port else None
    database = open_database(options.state_dir)
    faults = Faults()
    outbox = Outbox(database)
    rates = Rates(faults.rates)
    sessions = KiteSessions(database, options.kite_api_key, options.kite_api_secret)
    exchange = Exchange(
        sessions,
        faults.stream,
        stocks=options.instruments,
        segments=options.segments,
        with_currencies=options.with_currencies,
        seed=options.seed,
        liveliness=options.liveliness,
        rate=options.tick_rate,
        play=options.play,
        speed=options.speed,
        play_delay_s=options.play_delay,
    )
    history = History(exchange.board, exchange.market, exchange.playback)
    telegram = Telegram(options.telegram_token, outbox, faults.telegram, rates)
    twilio = Twilio(options.twilio_sid, options.twilio_auth_token, options.twilio_inbound_url, outbox, faults.twilio, rates)
    webhook = WebhookReceiver(outbox, faults.webhook)
    ntfy = Ntfy(outbox, faults.ntfy, rates)
    tls = certificate(options.state_dir) if options.smtp_tls else None
    mailbox = Mailbox(outbox, faults.smtp, rates, options.smtp_login, tls)
    parts = (
        IndexPage(places(options), faults),
        Login(sessions, options.kite_redirect_url),
        Kite(sessions, exchange.board, history, faults.rest),
        telegram,
        twilio,
        webhook,
        OutboxPage(outbox),
        Control(exchange, telegram, twilio, webhook, ntfy, outbox, faults, rates),
    )
    routes = [route for part in parts for route in part.routes()] + [asset("/style.css", STYLE)]
    ntfy.leave_to(routes)
    app = Starlette(
        routes=routes + ntfy.routes(),
        middleware=[Middleware(GZipMiddleware, minimum_size=10_000)],
    )
    jobs = [
        asyncio.create_task(job)
        for job in (
            serve_http(app, http, http_protocol(faults)),
            serve_stream(exchange.stream, stream),
            serve_mail(mailbox.protocol, mail),
            exchange.stream.tend(),
            exchange.run(),
        )
    ]
    if stream_tls:
        context = tls_context(options.state_dir, faults.stream)
        jobs.append(asyncio.create_task(serve_stream(exchange.stream, stream_tls, context)))
    print(f"sandbox: http://{options.host}:{options.http_port}", flush=True)
    await until_told(jobs)
    database.close()


async def until_told(jobs: list[asyncio.Task[None]]) -> None:
    """Wait for a signal, or for a job that ends before: that is an error."""
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    waiting = asyncio.create_task(told.wait())
    await asyncio.wait([waiting, *jobs], return_when=asyncio.FIRST_COMPLETED)
    for job in jobs:
        if job.done():
            job.result()
    # Nobody is waited for: what clients have under way is cut, and that is no news.
    logging.disable()
    waiting.cancel()
    for job in jobs:
        job.cancel()
    await asyncio.wait(jobs)


def places(options: argparse.Namespace) -> list[tuple[str, str]]:
    http = f"http://{options.host}:{options.http_port}"
    return [
        (http, "Kite's REST interface (KiteConnect root)"),
        (f"{http}/connect/login", "Kite's login page"),
        (f"ws://{options.host}:{options.ws_port}", "Kite's stream (KiteTicker root)"),
        *([(f"wss://{options.host}:{options.tls_port}", "the same over TLS")] if options.tls_port else []),
        (f"{http}/bot", "Telegram Bot API (base_url of python-telegram-bot)"),
        (http, "Twilio (api.base_url of its client)"),
        (f"{http}/TOPIC", "ntfy: a topic of its server"),
        (f"smtp://{options.host}:{options.smtp_port}", "mail, any user and password or none, unless --smtp-login names one"),
    ]


if __name__ == "__main__":
    sys.exit(main())
