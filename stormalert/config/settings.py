"""Every setting StormAlert reads, with its help, type and check; the only place that reads the environment.

A setting comes from the environment, else from the file `.env`, else from `run.env` in STORM_VAR, which `make run` writes so
that a second terminal talks to the same servers. NAME_FILE names a file whose content is NAME. `python -m stormalert settings` prints `.env.example` from the table below.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlencode, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from stormalert.config import elsewhere
from stormalert.config.mail_address import sender_of
from stormalert.errors import SettingsError

ENV_FILE = Path(".env")


def _one_of_schemes(*schemes: str) -> AfterValidator:
    def check(url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in schemes or not (parts.netloc or parts.scheme == "unix")):
            raise ValueError(f"expected a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
        return url

    return AfterValidator(check)


def _secret_at_least_32(secret: SecretStr) -> SecretStr:
    if 0 < len(secret.get_secret_value()) < 32:
        raise ValueError("expected at least 32 characters (make one with: openssl rand -hex 32)")
    return secret


def _is_sender(text: str) -> str:
    sender_of(text)
    return text


def _is_readable(path: str) -> str:
    if path and not os.access(path, os.R_OK):
        raise ValueError("expected a file that can be read")
    return path


RedisUrl = Annotated[str, _one_of_schemes("redis", "rediss", "unix")]
ShardedRedisUrl = Annotated[str, _one_of_schemes("redis", "rediss", "unix", "redis+cluster", "rediss+cluster")]
HttpUrl = Annotated[str, _one_of_schemes("http", "https")]
Rate = Annotated[int, Field(ge=1, le=100_000)]
Port = Annotated[int, Field(ge=1, le=65535)]
ReadableFile = Annotated[str, AfterValidator(_is_readable)]
MasterSecret = Annotated[SecretStr, AfterValidator(_secret_at_least_32)]


class Settings(BaseModel):
    """Field aliases are the names in the environment; descriptions are the help."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    var: Path = Field(Path("var"), alias="STORM_VAR", description="directory of the embedded servers' data and logs")
    log_format: Literal["auto", "text", "json"] = Field("auto", alias="STORM_LOG_FORMAT", description="text for people, json for machines; auto: text on a terminal, json anywhere else")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", alias="STORM_LOG_LEVEL", description="least level that is logged")

    redis_url: ShardedRedisUrl = Field("redis://127.0.0.1:6390/0", alias="STORM_REDIS_URL", repr=False, description="Redis or Valkey of the ticks, rules and alerts; redis+cluster://host:port for any node of a cluster")
    queue_url: RedisUrl = Field("", alias="STORM_QUEUE_URL", repr=False, description="Redis of the RQ queues (RQ cannot run on a cluster); empty: STORM_REDIS_URL")
    redis_password: SecretStr = Field(SecretStr(""), alias="STORM_REDIS_PASSWORD", description="password of the users in STORM_REDIS_URL and STORM_QUEUE_URL, where these hold none")
    redis_ca: ReadableFile = Field("", alias="STORM_REDIS_CA", description="file with the certificate authority of a rediss:// server; empty: those that the system trusts")
    shards: int = Field(1, alias="STORM_SHARDS", ge=1, le=1024, description="number of shards the instruments are spread over")
    mongodb_uri: Annotated[str, _one_of_schemes("mongodb", "mongodb+srv")] = Field("", alias="MONGODB_URI", repr=False, description="MongoDB of users, rules and history; empty: the SQLite file")
    mongodb_password: SecretStr = Field(SecretStr(""), alias="STORM_MONGODB_PASSWORD", description="password of the user in MONGODB_URI, where it holds none")
    sqlite_path: Path = Field(Path("var/store.sqlite3"), alias="STORM_SQLITE_PATH", description="the store's file when MONGODB_URI is empty")

    jwt_secret: MasterSecret = Field(SecretStr(""), alias="JWT_SECRET", description="signs the session cookies; at least 32 characters")
    jwt_secret_previous: MasterSecret = Field(SecretStr(""), alias="STORM_JWT_SECRET_PREVIOUS", description="the JWT_SECRET before the present one: what it signed stays good until it expires")
    session_days: int = Field(7, alias="STORM_SESSION_DAYS", ge=1, le=90, description="days after which one has to sign in again")
    master_secret: MasterSecret = Field(SecretStr(""), alias="STORM_MASTER_SECRET", description="encrypts keys and tokens in the store; at least 32 characters")
    master_secret_previous: MasterSecret = Field(SecretStr(""), alias="STORM_MASTER_SECRET_PREVIOUS", description="the STORM_MASTER_SECRET before the present one, until `python -m stormalert re-encrypt` has run")

    kite_api_key: str = Field("", alias="KITE_API_KEY", description="Kite Connect API key")
    kite_api_secret: SecretStr = Field(SecretStr(""), alias="KITE_API_SECRET", description="Kite Connect API secret")
    kite_access_token: SecretStr = Field(SecretStr(""), alias="KITE_ACCESS_TOKEN", description="a token obtained elsewhere; empty: log in on the page Admin, Kite")
    kite_api_root: HttpUrl = Field("https://api.kite.trade", alias="STORM_KITE_API_ROOT", description="root of Kite's REST API")
    kite_ws_root: Annotated[str, _one_of_schemes("ws", "wss")] = Field("wss://ws.kite.trade", alias="STORM_KITE_WS_ROOT", description="root of Kite's tick socket")
    kite_login_root: HttpUrl = Field("https://kite.zerodha.com", alias="STORM_KITE_LOGIN_ROOT", description="root of Kite's login page")
    market_hours: Literal["exchange", "always"] = Field("exchange", alias="STORM_MARKET_HOURS", description="exchange: only ticks of an open session count; always: every tick does (demo, recordings)")
    jump_guard_percent: int = Field(20, alias="STORM_JUMP_GUARD_PERCENT", ge=1, le=100, description="a price this far from the last one waits for a second print")

    telegram_bot_token: SecretStr = Field(SecretStr(""), alias="TELEGRAM_BOT_TOKEN", description="token from @BotFather; empty: no Telegram")
    telegram_api_root: HttpUrl = Field("https://api.telegram.org", alias="STORM_TELEGRAM_API_ROOT", description="root of the Telegram Bot API")
    telegram_webhook_url: HttpUrl = Field("", alias="STORM_TELEGRAM_WEBHOOK_URL", description="public https address that leads to STORM_BOT_PORT, for Telegram to post to; empty: the bot asks Telegram for updates")
    twilio_sid: str = Field("", alias="TWILIO_SID", description="Twilio account SID; empty: no WhatsApp")
    twilio_auth_token: SecretStr = Field(SecretStr(""), alias="TWILIO_AUTH_TOKEN", description="Twilio auth token")
    twilio_from_number: str = Field("", alias="TWILIO_FROM_NUMBER", description="WhatsApp sender, such as +14155238886")
    twilio_content_sid: str = Field("", alias="STORM_TWILIO_CONTENT_SID", pattern=r"^(HX[0-9a-fA-F]{32})?$", description="approved WhatsApp template, HX and 32 hex digits, for who has not written to us for 24 hours; empty: free text always")
    twilio_content_variables: str = Field("headline,details", alias="STORM_TWILIO_CONTENT_VARIABLES", description="what the template's {{1}}, {{2}}, ... stand for: headline, details or placeholders of messages, separated by commas")
    twilio_api_root: HttpUrl = Field("https://api.twilio.com", alias="STORM_TWILIO_API_ROOT", description="root of the Twilio API")
    smtp_url: Annotated[str, _one_of_schemes("smtp", "smtps")] = Field("", alias="SMTP_URL", repr=False, description="smtp://user:password@host:587 (STARTTLS when offered) or smtps:// (TLS); empty: no e-mail")
    mail_from: Annotated[str, AfterValidator(_is_sender)] = Field("StormAlert <alerts@localhost>", alias="STORM_MAIL_FROM", description="sender of e-mails")
    webhook_private: Literal["refuse", "allow"] = Field("refuse", alias="STORM_WEBHOOK_PRIVATE", description="servers that users choose, such as webhooks, at private and loopback addresses and over plain http (development, one's own network)")
    public_url: HttpUrl = Field("", alias="STORM_PUBLIC_URL", description="the dashboard's address on the internet, for Twilio's call-backs and the links in e-mails; empty: none of both")

    telegram_bot_rate: Rate = Field(30, alias="STORM_TELEGRAM_BOT_RATE", description="Telegram messages in any second, all chats together")
    telegram_chat_rate: Rate = Field(1, alias="STORM_TELEGRAM_CHAT_RATE", description="Telegram messages in any second to one chat")
    telegram_group_rate: Rate = Field(20, alias="STORM_TELEGRAM_GROUP_RATE", description="Telegram messages in any minute to one group")
    whatsapp_sender_rate: Rate = Field(80, alias="STORM_WHATSAPP_SENDER_RATE", description="WhatsApp messages in any second, all recipients together")
    whatsapp_recipient_rate: Rate = Field(1, alias="STORM_WHATSAPP_RECIPIENT_RATE", description="WhatsApp messages in any second to one recipient")
    ntfy_rate: Rate = Field(60, alias="STORM_NTFY_RATE", description="ntfy messages in any five minutes to one server")
    smtp_rate: Rate = Field(100, alias="STORM_SMTP_RATE", description="e-mails in any second that the mail server takes")

    alerts_per_hour: Rate = Field(60, alias="STORM_ALERTS_PER_HOUR", description="alerts that a user is sent one by one in any hour; more are told together")
    burst_alerts: Rate = Field(20, alias="STORM_BURST_ALERTS", description="alerts that a user is sent one by one in any STORM_BURST_S; more are told together, the top movers first")
    burst_s: int = Field(10, alias="STORM_BURST_S", ge=1, le=300, description="seconds; see STORM_BURST_ALERTS")
    summary_s: int = Field(180, alias="STORM_SUMMARY_S", ge=1, le=3_600, description="seconds after which alerts that are told together go out at the latest")

    host: str = Field("127.0.0.1", alias="STORM_HOST", description="address that dashboard, relay and queue board listen on")
    trusted_proxies: str = Field("127.0.0.1", alias="STORM_TRUSTED_PROXIES", description="comma-separated addresses or networks of proxies in front of the dashboard, whose X-Forwarded-For and X-Forwarded-Proto are believed")
    port: Port = Field(8501, alias="STORM_PORT", description="port of the dashboard")
    relay_port: Port = Field(8765, alias="STORM_RELAY_PORT", description="port of the websockets relay")
    relay_url: Annotated[str, _one_of_schemes("ws", "wss")] = Field("", alias="STORM_RELAY_URL", description="where browsers find the relay; empty: STORM_RELAY_PORT on the dashboard's own host")
    origins: str = Field("", alias="STORM_ORIGINS", description="comma-separated origins of pages that may listen to the relay; empty: the dashboard on the relay's own host")
    bot_port: Port = Field(8766, alias="STORM_BOT_PORT", description="port of the bot's webhook, when STORM_TELEGRAM_WEBHOOK_URL is set")
    queue_board_port: Port = Field(9181, alias="STORM_QUEUE_BOARD_PORT", description="port of the RQ dashboard")
    beat_path: Path | None = Field(None, alias="STORM_BEAT_PATH", description="file that a process touches at each of its beats, for health checks of a container; empty: none")
    queue_board_url: HttpUrl = Field("", alias="STORM_QUEUE_BOARD_URL", description="where the dashboard finds the RQ dashboard to show it under Admin, Queue; empty: STORM_QUEUE_BOARD_PORT on this machine")
    workers: int = Field(2, alias="STORM_WORKERS", ge=1, le=64, description="number of RQ worker processes that `make run` and docker compose start")

    redis_port: Port = Field(6390, alias="STORM_REDIS_PORT", description="port of the embedded Valkey of `make run`")
    sandbox_http_port: Port = Field(8800, alias="STORM_SANDBOX_HTTP_PORT", description="port of the sandbox: Kite REST, Telegram, Twilio, ntfy, outbox")
    sandbox_ws_port: Port = Field(8801, alias="STORM_SANDBOX_WS_PORT", description="port of the sandbox: Kite tick socket")
    sandbox_smtp_port: Port = Field(8825, alias="STORM_SANDBOX_SMTP_PORT", description="port of the sandbox: SMTP")

    @property
    def rq_url(self) -> str:
        return self.queue_url or self.redis_url

    @property
    def allowed_origins(self) -> list[str]:
        return [origin.strip() for origin in self.origins.split(",") if origin.strip()]


@cache
def load() -> Settings:
    """The process's settings. Raises SettingsError with every problem at once."""
    theirs = given()
    return parse({**read_file(run_file(theirs)), **theirs})


def given() -> dict[str, str]:
    """What a person chose: the file .env and the environment, which wins; NAME_FILE is read in the place of NAME.

    Raises SettingsError with every problem at once.
    """
    theirs, problems = _without_files({**read_file(ENV_FILE), **os.environ})
    if problems:
        try:
            parse(theirs)
        except SettingsError as error:
            problems += error.problems
        raise SettingsError(problems)
    return theirs


def _without_files(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The content of the files in the place of their names, as Docker and Kubernetes give secrets; and what is wrong."""
    found, problems = dict(environment), []
    for name in names():
        path = found.pop(f"{name}_FILE", "")
        if path and found.get(name):
            problems.append(f"{name}: is given twice, by itself and as {name}_FILE")
        elif path:
            try:
                found[name] = _content(Path(path))
            except ValueError as error:
                problems.append(f"{name}_FILE: {error}")
    return found, problems


def _content(path: Path) -> str:
    """Raises ValueError, without the content."""
    try:
        text = path.read_text().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text in UTF-8") from None
    if not text:
        raise ValueError(f"{path} is empty")
    return text


def run_file(environment: Mapping[str, str]) -> Path:
    """The file in which `make run` keeps what it chose itself: secrets and the addresses of its servers."""
    return Path(environment.get("STORM_VAR") or "var") / "run.env"


def parse(environment: Mapping[str, str]) -> Settings:
    """Settings from names and texts; an empty text counts as not set. Raises SettingsError."""
    given = {name: environment[name] for name in names() if environment.get(name)}
    known = {*names(), *elsewhere.NAMES}
    problems = [f"{name} is not a setting" for name in environment if name.startswith("STORM_") and name not in known]
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        # The value found may be a secret, so only its name and what was expected are told.
        problems += [f"{problem['loc'][0]}: {problem['msg'].removeprefix('Value error, ')}" for problem in error.errors()]
        raise SettingsError(problems) from None
    if "+cluster" in settings.redis_url and not settings.queue_url:
        problems.append("STORM_QUEUE_URL: RQ cannot run on a cluster, so it needs a Redis of its own")
    if problems:
        raise SettingsError(problems)
    return _completed(settings)


def _completed(settings: Settings) -> Settings:
    """The servers' URLs as their clients take them: with the password, and with the authority of a certificate."""
    password = settings.redis_password.get_secret_value()
    return settings.model_copy(
        update={
            "redis_url": _trusting(_signed_in(settings.redis_url, password), settings.redis_ca),
            "queue_url": _trusting(_signed_in(settings.queue_url, password), settings.redis_ca),
            "mongodb_uri": _signed_in(settings.mongodb_uri, settings.mongodb_password.get_secret_value()),
        }
    )


def _signed_in(url: str, password: str) -> str:
    """A password that the URL holds itself stays."""
    scheme, _, rest = url.partition("://")
    user, at, place = rest.partition("@")
    if not password or not at or ":" in user:
        return url
    return f"{scheme}://{user}:{quote(password, safe='')}@{place}"


def _trusting(url: str, authority: str) -> str:
    if not authority or not url.startswith("rediss"):
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode({'ssl_ca_certs': authority})}"


def names() -> tuple[str, ...]:
    return tuple(str(field.alias) for field in Settings.model_fields.values())


def value_of(config: Settings, name: str) -> str:
    """The value of the setting of that name as text, a secret's too."""
    field = next(field for field, info in Settings.model_fields.items() if info.alias == name)
    value = getattr(config, field)
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def env_example() -> str:
    """The text of .env.example."""
    lines = [
        "# Settings of StormAlert, all optional for `make run`. Copy to .env. Made by `make docs`; do not edit.",
        "# Each NAME can be given as NAME_FILE too: the path of a file that holds the value, such as a secret of Docker.",
        "",
    ]
    for field in Settings.model_fields.values():
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        default = "" if default is None else default
        lines += [f"# {field.description}", f"#{field.alias}={default}", ""]
    for reader, found in (("docker compose", elsewhere.COMPOSE), ("tests", elsewhere.TESTS)):
        for it in found:
            lines += [f"# {reader}: {it.help}", f"#{it.name}={it.default}", ""]
    return "\n".join(lines)


def read_file(path: Path) -> dict[str, str]:
    """NAME=value lines; nothing when there is no such file. Raises SettingsError."""
    try:
        rows = [row.strip() for row in path.read_text().splitlines()] if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: {getattr(error, 'strerror', None) or 'not a text file'}"]) from None
    return dict(_pair(f"{path}:{number}", row) for number, row in enumerate(rows, 1) if row and not row.startswith("#"))


def _pair(place: str, row: str) -> tuple[str, str]:
    name, equals, value = row.partition("=")
    if not equals:
        # The row itself may be a secret.
        raise SettingsError([f"{place}: expected NAME=value"])
    return name.strip(), value.strip().strip("\"'")
