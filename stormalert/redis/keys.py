"""Every Redis key StormAlert owns, a declaration a family: from it come the key itself, its row in docs/ARCHITECTURE.md, the
patterns of the ACL, and what a backup takes.

A key is `storm:{tag}:noun[:id]`. Keys of a shard carry the shard's hash tag, so that a shard lies whole on one node of a
Redis Cluster; the few keys that belong to no shard carry none. The scripts in lua/ make the names of their own indexes from
the same prefix; a test holds every key that the engine writes against the declarations.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Generic, NamedTuple, Self, TypeVarTuple, overload
from zlib import crc32

from stormalert.units import SECOND_MS, short_duration

MINUTE_S, HOUR_S = 60, 3_600

# The consumer groups of the two streams.
EVALUATOR_GROUP = "evaluator"
DISPATCH_GROUP = "dispatch"
# And of the send requests, which Redis knows as errands.
SEND_REQUESTS_GROUP = "errands"

# What matches all of them, for SCAN.
ALL = "storm:*"
_TAG = "{s0}:"
_ID = re.compile(r"<\w+>")
_OF_SHARD = re.compile(r"storm:\{([^}]+)\}:(\w+)(?::(.*))?")

Ids = TypeVarTuple("Ids")


class Backup(StrEnum):
    """Whether a backup holds the keys of a family."""

    KEPT = "kept"
    # By the processes, or from the store.
    REMADE = "made again"
    PASSING = "only true now"


_declared: "list[Family]" = []


class Family:
    """Keys of one pattern. `name`: such as `storm:sent:<delivery>`, with `{s0}` for the tag of any shard; `is_engines`: made by
    lua/, for one instrument each, and to be made again from the store at the cost of windows and peaks.
    """

    def __init__(
        self,
        noun: str,
        type: str,
        *,
        holds: str,
        writer: str,
        backup: Backup,
        bound: str = "",
        kept_s: int = 0,
        is_engines: bool = False,
    ) -> None:
        self.name = f"storm:{noun}"
        self.type = type
        self.holds = holds
        self.writer = writer
        # Whoever writes such a key lets it expire after so long.
        self.kept_s = kept_s
        self.bound = bound or f"expires after {short_duration(kept_s * SECOND_MS)}"
        self.backup = backup
        self.is_engines = is_engines
        _declared.append(self)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the names of its keys match, whatever the shard."""
        any_shard = re.escape(self.name).replace(r"\{s0\}", r"\{s\d+\}")
        # What comes last may have colons in it, such as the name of a limit.
        return re.compile(_ID.sub(r"[^:]+", re.sub(r"<\w+>$", ".+", any_shard)))

    @property
    def noun(self) -> str:
        return self.name.removeprefix("storm:").removeprefix(_TAG).partition(":")[0]

    def glob(self, *known: object, shard: "Shard | None" = None) -> str:
        """As SCAN and the ACL take it: of all shards or of one, with the first ids where they are known."""
        pieces = _ID.split(self.name.replace(_TAG, f"{{{shard.tag if shard else 's*'}}}:"))
        begun = "".join(f"{piece}{id}" for piece, id in zip(pieces, known, strict=False)) + pieces[len(known)]
        return f"{begun}*" if len(known) < len(pieces) - 1 else begun

    @cached_property
    def _template(self) -> str:
        return _ID.sub("%s", self.name)


class Key(str, Family):
    """The only one of its family."""

    def __new__(cls, noun: str, *_: Any, **described: Any) -> Self:
        return super().__new__(cls, f"storm:{noun}")


class KeysBy(Family, Generic[*Ids]):
    """A key for each id; called with it."""

    def __call__(self, *ids: *Ids) -> str:
        # Refuses too few and too many.
        return self._template % ids


class _DigestsOf(KeysBy[str]):
    """Keys from which nobody reads whose they are."""

    def __call__(self, id: str) -> str:
        return super().__call__(hashlib.blake2b(id.encode(), digest_size=12).hexdigest())


class _OfShards(Family):
    def __init__(self, noun: str, type: str, **described: Any) -> None:
        super().__init__(f"{_TAG}{noun}", type, **described)

    @cached_property
    def _template(self) -> str:
        return _ID.sub("%s", self.name.removeprefix(f"storm:{_TAG}"))


class ShardKey(_OfShards):
    """One of each shard: `shard.ticks`; `Shard.ticks` is the family."""

    @overload
    def __get__(self, shard: None, owner: type) -> Self: ...
    @overload
    def __get__(self, shard: "Shard", owner: type) -> str: ...
    def __get__(self, shard: "Shard | None", owner: type) -> Self | str:
        return self if shard is None else shard.prefix + self._template


class ShardKeysBy(_OfShards, Generic[*Ids]):
    """A key for each id in a shard: `shard.rule("r1")`; `Shard.rule` is the family."""

    @overload
    def __get__(self, shard: None, owner: type) -> Self: ...
    @overload
    def __get__(self, shard: "Shard", owner: type) -> Callable[[*Ids], str]: ...
    def __get__(self, shard: "Shard | None", owner: type) -> Self | Callable[[*Ids], str]:
        if shard is None:
            return self

        template = shard.prefix + self._template
        return lambda *ids: template % ids


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard; `tag` is `s0`, `s1`, ... and, for a replay, one of its own."""

    tag: str

    @property
    def prefix(self) -> str:
        return f"storm:{{{self.tag}}}:"

    ticks = ShardKey(
        "ticks",
        "stream",
        holds="token price time, and via day_high or day_low where the print was not seen",
        writer="ingest",
        bound="trimmed a minute behind the evaluator group by the pump; ingest's MAXLEN is the last resort",
        backup=Backup.PASSING,
    )
    appended = ShardKeysBy[str](
        "appended:<publisher>",
        "string",
        holds="number of the newest batch of ticks that this run of ingest appended",
        writer="ingest",
        bound="one per run of ingest; expires after an hour",
        backup=Backup.PASSING,
    )
    alerts = ShardKey(
        "alerts",
        "stream",
        holds="alert rule user token symbol kind direction price reference percent window time",
        writer="lua/evaluate",
        bound="MAXLEN ~ 1,000,000",
        backup=Backup.KEPT,
    )
    instrument = ShardKeysBy[int](
        "instrument:<token>",
        "hash",
        holds="last price and time, band, windows",
        writer="lua/evaluate, lua/arm; ingest a symbol that changed",
        bound="one per instrument",
        backup=Backup.KEPT,
    )
    rule = ShardKeysBy[str](
        "rule:<rule>",
        "hash",
        holds="its state with the arm epoch; and the rule: token direction amount how pause user revision",
        writer="lua/arm, lua/evaluate",
        bound="one per rule; deleted by lua/disarm",
        backup=Backup.KEPT,
        is_engines=True,
    )
    cursor = ShardKey(
        "cursor",
        "string",
        holds="stream id of the newest tick that was evaluated",
        writer="lua/evaluate",
        bound="one per shard",
        backup=Backup.PASSING,
    )
    state = ShardKeysBy[int](
        "state:<token>",
        "string",
        holds="the engine's numbers for the instrument, 17 doubles, and the newest records of its lows and highs",
        writer="lua/evaluate, lua/arm",
        bound="one per instrument, at most 904 bytes",
        backup=Backup.KEPT,
        is_engines=True,
    )
    lows = ShardKeysBy[int](
        "lows:<token>",
        "string",
        holds="monotonic deque of lows, 16 bytes a record; the newest lie in the state",
        writer="lua/evaluate",
        bound="one record per rising price of the last 24 h",
        backup=Backup.KEPT,
        is_engines=True,
    )
    highs = ShardKeysBy[int](
        "highs:<token>",
        "string",
        holds="monotonic deque of highs, 16 bytes a record; the newest lie in the state",
        writer="lua/evaluate",
        bound="one record per falling price of the last 24 h",
        backup=Backup.KEPT,
        is_engines=True,
    )
    families = ShardKeysBy[int](
        "families:<token>",
        "hash",
        holds="side and window in use -> smallest percent",
        writer="lua/evaluate, lua/arm, lua/disarm",
        bound="one field per side and window with rules",
        backup=Backup.KEPT,
        is_engines=True,
    )
    moves = ShardKeysBy[int, str, str](
        "moves:<token>:<side>:<span>",
        "sorted set",
        holds="armed rules on a move by percent; span: a window in ms, or what else they measure from",
        writer="lua/evaluate, lua/arm, lua/disarm",
        bound="one member per armed rule and side",
        backup=Backup.KEPT,
        is_engines=True,
    )
    levels = ShardKeysBy[int, str](
        "levels:<token>:<side>",
        "sorted set",
        holds="armed level rules by price x 10,000",
        writer="lua/evaluate, lua/arm, lua/disarm",
        bound="one member per armed rule and side",
        backup=Backup.KEPT,
        is_engines=True,
    )
    cohort = ShardKeysBy[int, str, str](
        "cohort:<token>:<side>:<cohort>",
        "sorted set",
        holds="armed trailing rules that share their extreme, by percent",
        writer="lua/evaluate, lua/arm, lua/disarm",
        bound="one member per armed rule and side",
        backup=Backup.KEPT,
        is_engines=True,
    )
    extremes = ShardKeysBy[int, str](
        "extremes:<token>:<side>",
        "sorted set",
        holds="cohorts by peak or trough",
        writer="lua/evaluate",
        bound="one member per cohort",
        backup=Backup.KEPT,
        is_engines=True,
    )
    newest = ShardKeysBy[int, str](
        "newest:<token>:<side>",
        "sorted set",
        holds="cohorts by highest arm number",
        writer="lua/evaluate",
        bound="one member per cohort",
        backup=Backup.KEPT,
        is_engines=True,
    )
    triggers = ShardKeysBy[int, str](
        "triggers:<token>:<side>",
        "sorted set",
        holds="cohorts by first price to fire",
        writer="lua/evaluate",
        bound="one member per cohort",
        backup=Backup.KEPT,
        is_engines=True,
    )
    smallest = ShardKeysBy[int, str](
        "smallest:<token>:<side>",
        "sorted set",
        holds="cohorts by smallest percent",
        writer="lua/evaluate",
        bound="one member per cohort",
        backup=Backup.KEPT,
        is_engines=True,
    )
    pending = ShardKeysBy[int](
        "pending:<token>",
        "sorted set",
        holds="rules that wait or cool down, by the time they are armed",
        writer="lua/evaluate, lua/arm, lua/disarm",
        bound="one member per waiting rule",
        backup=Backup.KEPT,
        is_engines=True,
    )
    counters = ShardKey(
        "counters",
        "hash",
        holds="malformed entries of the ticks stream, and the last one's fault",
        writer="lua/evaluate",
        bound="one",
        backup=Backup.KEPT,
    )
    rule_sync = ShardKey(
        "rulebook",
        "string",
        holds="there as long as Redis holds the rules that were brought over; the version of the engine's layout",
        writer="evaluator",
        bound="one",
        backup=Backup.KEPT,
    )
    quote = ShardKeysBy[int](
        "quote:<token>",
        "hash",
        holds="for screens: last open high low close volume change time",
        writer="ingest",
        bound="one per instrument",
        backup=Backup.KEPT,
    )
    bars = ShardKeysBy[int](
        "bars:<token>",
        "stream",
        holds="for charts: open high low close of a minute; an entry's id is the minute's start in epoch ms",
        writer="ingest",
        bound="MAXLEN ~ 900 an instrument; expires after 4 days without a tick",
        backup=Backup.PASSING,
    )


class OfShard(NamedTuple):
    """What the name of a shard's key says; `rest`: what follows the noun."""

    shard: Shard
    noun: str
    rest: str


def of_shard(name: str) -> OfShard | None:
    """None for a key that belongs to no shard."""
    match = _OF_SHARD.fullmatch(name)
    return OfShard(Shard(match[1]), match[2], match[3] or "") if match else None


def shard_of(token: int, shards: int) -> Shard:
    """The shard that an instrument belongs to, whatever process asks."""
    # crc32, not hash(): stable across processes and languages.
    return Shard(f"s{crc32(str(token).encode()) % shards}")


def all_shards(shards: int) -> tuple[Shard, ...]:
    return tuple(Shard(f"s{i}") for i in range(shards))


alive = KeysBy[str, str, int](
    "alive:<process>:<host>-<pid>",
    "hash",
    holds="started_ms, beat_ms, version, rss_bytes, cpu_s, late_ms (its event loop's), how its store did, and its own counters",
    writer="every process",
    bound="expires 10 s after the last beat",
    backup=Backup.REMADE,
)
BEATS = Key(
    "beats",
    "sorted set",
    holds="keys of the processes by their last beat",
    writer="every process",
    bound="one member per process",
    backup=Backup.REMADE,
)
STARTS = Key(
    "starts",
    "hash",
    holds="how often a process was started",
    writer="every process",
    bound="one field per kind of process",
    backup=Backup.PASSING,
)
FEED = Key(
    "feed",
    "hash",
    holds="state of the Kite feed: state, reason, since_ms, frame_ms, trouble, troubles, opens_ms, instruments, "
    "counts by reason",
    writer="ingest",
    bound="one",
    backup=Backup.REMADE,
)
GAPS = Key(
    "gaps",
    "stream",
    holds="from to reason lost: stretches in which prices were lost",
    writer="ingest",
    bound="MAXLEN 1,000",
    backup=Backup.KEPT,
)
spread = KeysBy[str](
    "spread:<rule>",
    "set",
    holds="tokens on which a watchlist's rule was armed",
    writer="evaluator",
    bound="one per watchlist's rule; deleted with it",
    backup=Backup.KEPT,
)
revoked = KeysBy[str](
    "revoked:<session>",
    "string",
    holds="a session that was ended",
    writer="dashboard",
    bound="expires with the session",
    backup=Backup.REMADE,
)
code_used = KeysBy[str, int](
    "codeused:<user>-<step>",
    "string",
    holds="the code of a second factor that was used: each is good once",
    writer="dashboard",
    bound="expires after 2 minutes",
    backup=Backup.PASSING,
)
sign_ins = KeysBy[str](
    "signins:<subject>",
    "string",
    holds="sign-ins tried in a row without success, for a digest of a name or an address",
    writer="dashboard",
    kept_s=15 * MINUTE_S,
    backup=Backup.PASSING,
)
sign_in_pause = KeysBy[str](
    "signinpause:<subject>",
    "string",
    holds="no sign-in is tried while it is there",
    writer="dashboard",
    bound="expires after at most 5 minutes",
    backup=Backup.PASSING,
)
sent = KeysBy[str](
    "sent:<delivery>",
    "string",
    holds="the provider's id of what went out; `sending` while a worker is at it",
    writer="workers, bot; dashboard deletes it when it must go out again: the provider reports so, or its user asks",
    bound="expires after 7 days; `sending` after 11 s",
    backup=Backup.KEPT,
)
failures = KeysBy[str, str](
    "failures:<channel>:<when>",
    "hash",
    holds="how many messages failed for each reason since one got through; when: as it was `sent`, or as `reported` later",
    writer="worker, dashboard",
    kept_s=30 * 24 * HOUR_S,
    backup=Backup.PASSING,
)
told = KeysBy[str, str](
    "told:<channel>:<what>",
    "string",
    holds="there while the channel's owner need not hear of the same again; what: a digest of it",
    writer="workers, bot, dashboard",
    kept_s=24 * HOUR_S,
    backup=Backup.PASSING,
)
inbound = _DigestsOf(
    "inbound:<number>",
    "string",
    holds="there while WhatsApp takes free text for the number, a digest of it; when its owner wrote last, in ms",
    writer="dashboard; workers delete it when Twilio says that it is over",
    kept_s=24 * HOUR_S,
    backup=Backup.KEPT,
)
# These lie on one node: one script reads the windows of all limits of a message.
window = KeysBy[str](
    "{limits}:window:<limit>",
    "sorted set",
    holds="messages that count against a limit of a provider, by when they stop to",
    writer="lua/permit, lua/settle",
    bound="as many as the limit allows; expires when none counts",
    backup=Backup.PASSING,
)
line = KeysBy[str, int](
    "{limits}:line:<limit>:<priority>",
    "sorted set",
    holds="messages of one priority that wait for the limit, by their turn",
    writer="lua/permit",
    bound="one member per waiting message; expires 30 s after the last turn",
    backup=Backup.PASSING,
)
user_window = KeysBy[str](
    "{limits}:user:<user>",
    "sorted set",
    holds="alerts of the last hour that the user was sent one by one",
    writer="lua/quota",
    bound="as many as an hour allows; expires after an hour",
    backup=Backup.KEPT,
)
user_recent = KeysBy[str](
    "{limits}:recent:<user>",
    "sorted set",
    holds="all alerts of the user's last seconds, to know a burst by",
    writer="lua/quota",
    bound="those of STORM_BURST_S or the user's own; expires with them",
    backup=Backup.PASSING,
)
SEND_REQUESTS = Key(
    "errands",
    "stream",
    holds="errand kind channel: a code, a test message or a notice with its text",
    writer="dashboard, bot; workers when they switched an address off",
    bound="MAXLEN ~ 10,000",
    backup=Backup.PASSING,
)
send_request = KeysBy[str](
    "errand:<errand>",
    "hash",
    holds="what became of it: state reason",
    writer="dashboard, bot",
    kept_s=10 * MINUTE_S,
    backup=Backup.PASSING,
)
CANDLES_ASKED = Key(
    "candlesasked",
    "list",
    holds="requests for Kite's minute candles as JSON: id token from to asked",
    writer="dashboard; ingest takes them away",
    bound="at most some 200",
    backup=Backup.PASSING,
)
candles = KeysBy[str](
    "candles:<request>",
    "list",
    holds="one answer as JSON: minute candles of at most 60 days, or the reason that there are none",
    writer="ingest; dashboard takes it away",
    kept_s=MINUTE_S,
    backup=Backup.PASSING,
)
link = KeysBy[str](
    "link:<digest>",
    "string",
    holds="the user whose chat the link's token links",
    writer="dashboard, bot",
    kept_s=15 * MINUTE_S,
    backup=Backup.PASSING,
)
code = KeysBy[str](
    "code:<channel>",
    "string",
    holds="HMAC of the code that was sent",
    writer="bot",
    kept_s=10 * MINUTE_S,
    backup=Backup.PASSING,
)
code_tries = KeysBy[str](
    "codetries:<channel>",
    "string",
    holds="how often a code was tried",
    writer="dashboard, bot",
    kept_s=code.kept_s,
    backup=Backup.PASSING,
)
codes_asked = KeysBy[str](
    "codesasked:<user>",
    "string",
    holds="how many codes were sent",
    writer="bot",
    kept_s=HOUR_S,
    backup=Backup.PASSING,
)
listed = KeysBy[str](
    "listed:<chat>",
    "list",
    holds="rules as /list numbered them",
    writer="bot",
    kept_s=24 * HOUR_S,
    backup=Backup.PASSING,
)
stranger = KeysBy[str](
    "stranger:<chat>",
    "string",
    holds="a chat without a user was told so",
    writer="bot",
    kept_s=HOUR_S,
    backup=Backup.PASSING,
)
BOT_NAME = Key(
    "bot",
    "string",
    holds="name of the Telegram bot that listens",
    writer="bot",
    kept_s=30,
    backup=Backup.REMADE,
)
BOT_LOCK = Key(
    "botlock",
    "string",
    holds="the process that asks Telegram for updates",
    writer="bot",
    bound="expires after 15 s",
    backup=Backup.PASSING,
)
NOTICES = Key(
    "notices",
    "hash",
    holds="what is wrong, by name, as JSON: since when, whether admins were told, since when it is well again",
    writer="bot",
    bound="one field per thing that is wrong; deleted when it is over",
    backup=Backup.REMADE,
)
ROLL = Key(
    "roll",
    "set",
    holds="names of the processes that have beaten",
    writer="bot",
    bound="one member per kind of process",
    backup=Backup.REMADE,
)
LAST_KNOWN = Key(
    "lastknown",
    "string",
    holds="what admins are told with while the store is away: their channels, and overrides; sealed",
    writer="bot",
    bound="one text, some kilobytes",
    backup=Backup.REMADE,
)
NOTICES_LOCK = Key(
    "noticeslock",
    "string",
    holds="the process that looks what is wrong",
    writer="bot",
    bound="expires after 15 s",
    backup=Backup.PASSING,
)
QUOTES_TOPIC = Key(
    "quotes",
    "topic",
    holds="coalesced price changes for screens as JSON: last, change percent and time_ms by token",
    writer="ingest",
    bound="kept nowhere",
    backup=Backup.PASSING,
)

FAMILIES = tuple(_declared)
# What the engine keeps besides the hash of an instrument.
ENGINE = tuple(family for family in FAMILIES if family.is_engines)


def process_of(alive_key: str) -> tuple[str, str]:
    """The name of the process that beats there, and its host and number."""
    name, _, place = alive_key.removeprefix(alive.name.partition("<")[0]).partition(":")
    return name, place
