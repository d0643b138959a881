"""Whoever is asked over the internet: Kite, the channels' providers, and our own public address."""

import contextlib
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from urllib.parse import unquote, urlsplit

from ops.doctor.case import Case
from ops.doctor.clock import judge_clock
from ops.doctor.configuration import is_local
from ops.doctor.secrets import place
from ops.doctor.web import ASK_S, ask, basic, reason_of
from ops.doctor.within import within
from stormalert import channels
from stormalert.channels import ChannelKind
from stormalert.config.settings import Settings
from stormalert.errors import StormError
from stormalert.health.finding import Finding, bad, good, wait
from stormalert.notify.description import ChannelDescription, Question
from stormalert.units import SECOND_MS

MAIL_S = 8


def _way(url: str) -> str:
    """What to look at when nobody answers there."""
    if is_local(url):
        return "start it; the sandbox runs with make run"
    return "look at this machine's way to the internet: DNS, proxy, firewall"


def check_kite(case: Case) -> Iterator[Finding]:
    config = case.config
    try:
        answer = ask(config.kite_api_root)
    except StormError as error:
        yield bad(
            "kite",
            f"no answer from {place(config.kite_api_root)}: {error}",
            f"{_way(config.kite_api_root)}; STORM_KITE_API_ROOT",
        )
    else:
        if answer.status >= 500:
            yield bad(
                "kite", f"{place(config.kite_api_root)} answers with an error of its own ({answer.status})", "wait for Kite"
            )
        else:
            yield good("kite", f"answers at {place(config.kite_api_root)} in {answer.took_ms} ms")
        if answer.date_ms:
            yield judge_clock("kite's clock", answer.asked_ms, answer.date_ms, exact_ms=SECOND_MS)
    yield _socket(config.kite_ws_root)


def _socket(url: str) -> Finding:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    began_s = time.monotonic()
    try:
        within(ASK_S, lambda: _connect(parts.hostname or "", port, is_tls=parts.scheme == "wss"))
    except OSError as error:
        return bad("kite's socket", f"no connection to {place(url)}: {reason_of(error)}", f"{_way(url)}; STORM_KITE_WS_ROOT")
    return good("kite's socket", f"{place(url)} takes connections, in {(time.monotonic() - began_s) * 1_000:.0f} ms")


def _connect(host: str, port: int, *, is_tls: bool) -> None:
    with socket.create_connection((host, port), ASK_S) as plain:
        if is_tls:
            ssl.create_default_context().wrap_socket(plain, server_hostname=host).close()


def channel_checks() -> list[Callable[[Case], Iterator[Finding]]]:
    """One for each kind whose provider can be asked."""
    return [_check(channel, it) for channel in map(channels.of, ChannelKind) if (it := channel.question)]


def _check(channel: ChannelDescription, question: Question) -> Callable[[Case], Iterator[Finding]]:
    def check(case: Case) -> Iterator[Finding]:
        if channel.needs[0] in channel.missing(case.config):
            yield good(question.subject, "not set up")
        elif question.root(case.config).startswith("smtp"):
            yield from _ask_mail_within(question.subject, question.root(case.config))
        else:
            yield _ask(question, case.config)

    check.__name__ = f"check_{question.subject}"
    return check


def _ask(question: Question, config: Settings) -> Finding:
    root, login = question.root(config), question.login(config)
    try:
        answer = ask(f"{root}{question.path(config)}", basic(*login) if login else None)
    except StormError as error:
        return bad(question.subject, f"no answer from {place(root)}: {error}", _way(root))
    judgement = question.judge(answer.status, answer.fields)
    if judgement.advice:
        return bad(question.subject, *judgement)
    return good(question.subject, f"{judgement.found}, answered in {answer.took_ms} ms")


def _ask_mail_within(subject: str, url: str) -> Iterator[Finding]:
    """A mail server speaks several times, and may take its time for each word."""
    try:
        yield from within(MAIL_S, lambda: list(_ask_mail(subject, url)))
    except TimeoutError:
        yield bad(
            subject,
            f"{place(url)} does not take us within {MAIL_S} s",
            f"its log may say why; correct SMTP_URL, or {_way(url)}",
        )


def _ask_mail(subject: str, url: str) -> Iterator[Finding]:
    began_s = time.monotonic()
    try:
        with mail_client(url, ssl.create_default_context()) as client:
            parts = urlsplit(url)
            if parts.username and not (is_local(url) or _is_encrypted(client)):
                yield wait(
                    subject, f"{place(url)} offers no TLS, so the password would go in the clear", "smtps://, or port 587"
                )
                return
            if parts.username:
                client.login(unquote(parts.username), unquote(parts.password or ""))
            how = "over TLS" if _is_encrypted(client) else "without TLS"
            yield good(subject, f"{place(url)} takes us, {how}, in {(time.monotonic() - began_s) * 1_000:.0f} ms")
    except smtplib.SMTPAuthenticationError:
        yield bad(subject, f"{place(url)} refuses our user or password", "correct SMTP_URL, or Admin, Keys")
    except smtplib.SMTPNotSupportedError:
        yield bad(subject, f"{place(url)} takes no sign-in", "remove user and password from SMTP_URL, or use its TLS port")
    except smtplib.SMTPException as error:
        yield bad(subject, f"{place(url)} refuses us: {type(error).__name__}", "its administrator can say why")
    except OSError as error:
        yield bad(subject, f"no answer from {place(url)}: {reason_of(error)}", f"correct SMTP_URL, or {_way(url)}")


@contextlib.contextmanager
def mail_client(url: str, context: ssl.SSLContext) -> Iterator[smtplib.SMTP]:
    """After its greeting, with TLS where the server offers it, as deliveries are sent."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    client: smtplib.SMTP
    if parts.scheme == "smtps":
        client = smtplib.SMTP_SSL(host, parts.port or 465, timeout=ASK_S, context=context)
    else:
        client = smtplib.SMTP(host, parts.port or 25, timeout=ASK_S)
    with client:
        client.ehlo()
        if parts.scheme == "smtp" and client.has_extn("starttls"):
            client.starttls(context=context)
            client.ehlo()
        yield client


def check_public_url(case: Case) -> Iterator[Finding]:
    url = case.config.public_url.rstrip("/")
    if not url:
        return
    if not url.startswith("https://") and not is_local(url):
        yield bad(
            "public address", f"{place(url)} is not https: passwords would go in the clear", "STORM_PUBLIC_URL=https://..."
        )
    try:
        answer = ask(f"{url}/healthz")
    except StormError as error:
        advice = "start the dashboard and the proxy before it; some networks do not let a machine reach its own public name"
        yield wait("public address", f"no answer from {place(url)}: {error}", advice)
        return
    if answer.fields.get("status") == "ok":
        yield good("public address", f"{place(url)} leads to the dashboard, in {answer.took_ms} ms")
    else:
        advice = "STORM_PUBLIC_URL must be the dashboard's own address, as its proxy serves it"
        yield bad("public address", f"{place(url)} leads somewhere else (status {answer.status})", advice)


def _is_encrypted(client: smtplib.SMTP) -> bool:
    return isinstance(client.sock, ssl.SSLSocket)
