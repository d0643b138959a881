"""Every Redis key StormAlert owns.

A key is `storm:{tag}:noun[:id]`. Keys of a shard carry the shard's hash tag, so that a shard lies whole on one node of a
Redis Cluster; the few keys that belong to no shard carry none. The scripts in lua/ make the names of their own indexes from
the same prefix; a test holds every key that the engine writes against the table below.
"""

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from zlib import crc32

# What the engine keeps besides the hash of an instrument.
ENGINE_NOUNS = (
    *("state", "lows", "highs", "families", "moves", "levels"),
    *("cohort", "extremes", "newest", "triggers", "smallest", "pending", "rule"),
)
# The consumer groups of the two streams.
EVALUATOR_GROUP = "evaluator"
DISPATCH_GROUP = "dispatch"
# And of the errands.
ERRANDS_GROUP = "errands"


@dataclass(frozen=True, slots=True)
class Shard:
    """The keys of one shard; `tag` is `s0`, `s1`, ... and, for a replay, one of its own."""

    tag: str

    @property
    def prefix(self) -> str:
        return f"storm:{{{self.tag}}}:"

    @property
    def ticks(self) -> str:
        return f"{self.prefix}ticks"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}alerts"

    @property
    def counters(self) -> str:
        return f"{self.prefix}counters"

    @property
    def rulebook(self) -> str:
        return f"{self.prefix}rulebook"

    @property
    def engine_patterns(self) -> tuple[str, ...]:
        """What the engine can make again from the store, at the cost of its windows and peaks."""
        return tuple(f"{self.prefix}{noun}:*" for noun in ENGINE_NOUNS)

    def instrument(self, token: int) -> str:
        return f"{self.prefix}instrument:{token}"

    def rule(self, rule: str) -> str:
        return f"{self.prefix}rule:{rule}"

    def pending(self, token: int) -> str:
        return f"{self.prefix}pending:{token}"

    def quote(self, token: int) -> str:
        return f"{self.prefix}quote:{token}"

    def bars(self, token: int) -> str:
        return f"{self.prefix}bars:{token}"

    def appended(self, publisher: str) -> str:
        return f"{self.prefix}appended:{publisher}"


def shard_of(token: int, shards: int) -> Shard:
    """The shard that an instrument belongs to, whatever process asks."""
    # crc32, not hash(): stable across processes and languages.
    return Shard(f"s{crc32(str(token).encode()) % shards}")


def all_shards(shards: int) -> tuple[Shard, ...]:
    return tuple(Shard(f"s{i}") for i in range(shards))


def alive(process: str, host: str, pid: int) -> str:
    return f"storm:alive:{process}:{host}-{pid}"


def spread(rule: str) -> str:
    return f"storm:spread:{rule}"


def revoked(session: str) -> str:
    return f"storm:revoked:{session}"


def code_used(user: str, step: int) -> str:
    return f"storm:codeused:{user}-{step}"


def sign_ins(subject: str) -> str:
    return f"storm:signins:{subject}"


def sign_in_pause(subject: str) -> str:
    return f"storm:signinpause:{subject}"


def sent(delivery: str) -> str:
    return f"storm:sent:{delivery}"


def inbound(number: str) -> str:
    return f"storm:inbound:{hashlib.blake2b(number.encode(), digest_size=12).hexdigest()}"


def window(limit: str) -> str:
    """With a hash tag of its own: one script reads the windows of all limits of a message."""
    return f"storm:{{limits}}:window:{limit}"


def user_window(user: str) -> str:
    return f"storm:{{limits}}:user:{user}"


def user_recent(user: str) -> str:
    return f"storm:{{limits}}:recent:{user}"


def errand(errand: str) -> str:
    return f"storm:errand:{errand}"


def candles(request: str) -> str:
    return f"storm:candles:{request}"


def link(digest: str) -> str:
    return f"storm:link:{digest}"


def code(channel: str) -> str:
    return f"storm:code:{channel}"


def code_tries(channel: str) -> str:
    return f"storm:codetries:{channel}"


def codes_asked(user: str) -> str:
    return f"storm:codesasked:{user}"


def listed(chat: str) -> str:
    return f"storm:listed:{chat}"


def stranger(chat: str) -> str:
    return f"storm:stranger:{chat}"


# What the dashboard asks the workers to send.
ERRANDS = "storm:errands"
# Candles that the dashboard asks ingest for.
CANDLES_ASKED = "storm:candlesasked"
# What admins were told, and which processes were there: only what was there can be missing.
NOTICES = "storm:notices"
ROLL = "storm:roll"
NOTICES_LOCK = "storm:noticeslock"
# The name of the Telegram bot that is listening, and which process listens.
BOT_NAME = "storm:bot"
BOT_LOCK = "storm:botlock"
# Who beats: the `alive` keys by their last beat, so that nobody has to scan a million keys for them.
BEATS = "storm:beats"
# How often processes were started, by name.
STARTS = "storm:starts"
# The state of the Kite feed, in words, written by ingest.
FEED = "storm:feed"
# Stretches in which prices were lost.
GAPS = "storm:gaps"
# Pub/sub: coalesced price changes for screens, as a JSON object {token: [last, change percent, time_ms]}.
QUOTES_TOPIC = "storm:quotes"


class Backup(StrEnum):
    """Whether a backup holds the keys of a family."""

    KEPT = "kept"
    # By the processes, or from the store.
    REMADE = "made again"
    PASSING = "only true now"


@dataclass(frozen=True, slots=True)
class Family:
    """One row of the key table in docs/ARCHITECTURE.md."""

    key: str
    type: str
    holds: str
    writer: str
    bound: str
    backup: Backup

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the names of its keys match, whatever the shard."""
        return re.compile(re.sub(r"<\w+>", r"[^:]+", re.escape(self.key)).replace(r"\{s0\}", r"\{s\d+\}"))

    @property
    def noun(self) -> str:
        return self.key.removeprefix("storm:").removeprefix("{s0}:").partition(":")[0]


TABLE = (
    Family(
        "storm:{s0}:ticks",
        "stream",
        "token price time, and via day_high or day_low where the print was not seen",
        "ingest",
        "trimmed a minute behind the evaluator group by the pump; ingest's MAXLEN is the last resort",
        Backup.PASSING,
    ),
    Family(
        "storm:{s0}:appended:<publisher>",
        "string",
        "number of the newest batch of ticks that this run of ingest appended",
        "ingest",
        "one per run of ingest; expires after an hour",
        Backup.PASSING,
    ),
    Family(
        "storm:{s0}:alerts",
        "stream",
        "alert rule user token symbol kind direction price reference percent window time",
        "lua/evaluate",
        "MAXLEN ~ 1,000,000",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:instrument:<token>",
        "hash",
        "last price and time, band, windows",
        "lua/evaluate, lua/arm; ingest a symbol that changed",
        "one per instrument",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:rule:<rule>",
        "hash",
        "its state with the arm epoch; and the rule: token direction amount how pause user revision",
        "lua/arm, lua/evaluate",
        "one per rule; deleted by lua/disarm",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:cursor",
        "string",
        "stream id of the newest tick that was evaluated",
        "lua/evaluate",
        "one per shard",
        Backup.PASSING,
    ),
    Family(
        "storm:{s0}:state:<token>",
        "string",
        "the engine's numbers for the instrument, 17 doubles, and the newest records of its lows and highs",
        "lua/evaluate, lua/arm",
        "one per instrument, at most 904 bytes",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:lows:<token>",
        "string",
        "monotonic deque of lows, 16 bytes a record; the newest lie in the state",
        "lua/evaluate",
        "one record per rising price of the last 24 h",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:highs:<token>",
        "string",
        "monotonic deque of highs, 16 bytes a record; the newest lie in the state",
        "lua/evaluate",
        "one record per falling price of the last 24 h",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:families:<token>",
        "hash",
        "side and window in use -> smallest percent",
        "lua/evaluate, lua/arm, lua/disarm",
        "one field per side and window with rules",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:moves:<token>:<side>:<span>",
        "sorted set",
        "armed rolling (span: window in ms) and day rules by percent",
        "lua/evaluate, lua/arm, lua/disarm",
        "one member per armed rule and side",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:levels:<token>:<side>",
        "sorted set",
        "armed level rules by price x 10,000",
        "lua/evaluate, lua/arm, lua/disarm",
        "one member per armed rule and side",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:cohort:<token>:<side>:<cohort>",
        "sorted set",
        "armed trailing rules that share their extreme, by percent",
        "lua/evaluate, lua/arm, lua/disarm",
        "one member per armed rule and side",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:extremes:<token>:<side>",
        "sorted set",
        "cohorts by peak or trough",
        "lua/evaluate",
        "one member per cohort",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:newest:<token>:<side>",
        "sorted set",
        "cohorts by highest arm number",
        "lua/evaluate",
        "one member per cohort",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:triggers:<token>:<side>",
        "sorted set",
        "cohorts by first price to fire",
        "lua/evaluate",
        "one member per cohort",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:smallest:<token>:<side>",
        "sorted set",
        "cohorts by smallest percent",
        "lua/evaluate",
        "one member per cohort",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:pending:<token>",
        "sorted set",
        "rules that wait or cool down, by the time they are armed",
        "lua/evaluate, lua/arm, lua/disarm",
        "one member per waiting rule",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:counters",
        "hash",
        "malformed entries of the ticks stream, and the last one's fault",
        "lua/evaluate",
        "one",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:rulebook",
        "string",
        "there as long as Redis holds the rules that were brought over; the version of the engine's layout",
        "evaluator",
        "one",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:quote:<token>",
        "hash",
        "for screens: last open high low close volume change time",
        "ingest",
        "one per instrument",
        Backup.KEPT,
    ),
    Family(
        "storm:{s0}:bars:<token>",
        "stream",
        "for charts: open high low close of a minute; an entry's id is the minute's start in epoch ms",
        "ingest",
        "MAXLEN ~ 900 an instrument; expires after 4 days without a tick",
        Backup.PASSING,
    ),
    Family(
        "storm:alive:<process>:<host>-<pid>",
        "hash",
        "started_ms, beat_ms, version, rss_bytes, cpu_s, late_ms (its event loop's), how its store did, and its own counters",
        "every process",
        "expires 10 s after the last beat",
        Backup.REMADE,
    ),
    Family(
        "storm:beats",
        "sorted set",
        "keys of the processes by their last beat",
        "every process",
        "one member per process",
        Backup.REMADE,
    ),
    Family(
        "storm:starts",
        "hash",
        "how often a process was started",
        "every process",
        "one field per kind of process",
        Backup.PASSING,
    ),
    Family(
        "storm:feed",
        "hash",
        "state of the Kite feed: state, reason, since_ms, frame_ms, trouble, troubles, opens_ms, instruments, counts by reason",
        "ingest",
        "one",
        Backup.REMADE,
    ),
    Family(
        "storm:gaps",
        "stream",
        "from to reason lost: stretches in which prices were lost",
        "ingest",
        "MAXLEN 1,000",
        Backup.KEPT,
    ),
    Family(
        "storm:spread:<rule>",
        "set",
        "tokens on which a watchlist's rule was armed",
        "evaluator",
        "one per watchlist's rule; deleted with it",
        Backup.KEPT,
    ),
    Family(
        "storm:revoked:<session>",
        "string",
        "a session that was ended",
        "dashboard",
        "expires with the session",
        Backup.REMADE,
    ),
    Family(
        "storm:codeused:<user>-<step>",
        "string",
        "the code of a second factor that was used: each is good once",
        "dashboard",
        "expires after 2 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:signins:<subject>",
        "string",
        "sign-ins tried in a row without success, for a digest of a name or an address",
        "dashboard",
        "expires after 15 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:signinpause:<subject>",
        "string",
        "no sign-in is tried while it is there",
        "dashboard",
        "expires after at most 5 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:sent:<delivery>",
        "string",
        "the provider's id of what went out; `sending` while a worker is at it",
        "workers; dashboard deletes it when it must go out again: the provider reports so, or its user asks",
        "expires after 7 days; `sending` after 11 s",
        Backup.KEPT,
    ),
    Family(
        "storm:inbound:<number>",
        "string",
        "there while WhatsApp takes free text for the number, a digest of it; when its owner wrote last, in ms",
        "dashboard; workers delete it when Twilio says that it is over",
        "expires after 24 hours",
        Backup.KEPT,
    ),
    Family(
        "storm:{limits}:window:<limit>",
        "sorted set",
        "messages that count against a limit of a provider, by when they stop to",
        "lua/permit, lua/settle",
        "as many as the limit allows; expires when none counts",
        Backup.PASSING,
    ),
    Family(
        "storm:{limits}:line:<limit>:<priority>",
        "sorted set",
        "messages of one priority that wait for the limit, by their turn",
        "lua/permit",
        "one member per waiting message; expires 30 s after the last turn",
        Backup.PASSING,
    ),
    Family(
        "storm:{limits}:user:<user>",
        "sorted set",
        "alerts of the last hour that the user was sent one by one",
        "lua/quota",
        "as many as an hour allows; expires after an hour",
        Backup.KEPT,
    ),
    Family(
        "storm:{limits}:recent:<user>",
        "sorted set",
        "all alerts of the user's last seconds, to know a burst by",
        "lua/quota",
        "those of STORM_BURST_S or the user's own; expires with them",
        Backup.PASSING,
    ),
    Family(
        "storm:errands",
        "stream",
        "errand kind channel: a code, a test message or a notice with its text",
        "dashboard, bot; workers when they switched an address off",
        "MAXLEN ~ 10,000",
        Backup.PASSING,
    ),
    Family(
        "storm:errand:<errand>",
        "hash",
        "what became of it: state reason",
        "dashboard, bot",
        "expires after 10 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:candlesasked",
        "list",
        "requests for Kite's minute candles as JSON: id token from to asked",
        "dashboard; ingest takes them away",
        "at most some 200",
        Backup.PASSING,
    ),
    Family(
        "storm:candles:<request>",
        "list",
        "one answer as JSON: minute candles of at most 60 days, or the reason that there are none",
        "ingest; dashboard takes it away",
        "expires after a minute",
        Backup.PASSING,
    ),
    Family(
        "storm:link:<digest>",
        "string",
        "the user whose chat the link's token links",
        "dashboard, bot",
        "expires after 15 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:code:<channel>",
        "string",
        "HMAC of the code that was sent",
        "bot",
        "expires after 10 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:codetries:<channel>",
        "string",
        "how often a code was tried",
        "dashboard, bot",
        "expires after 10 minutes",
        Backup.PASSING,
    ),
    Family(
        "storm:codesasked:<user>",
        "string",
        "how many codes were sent",
        "bot",
        "expires after an hour",
        Backup.PASSING,
    ),
    Family(
        "storm:listed:<chat>",
        "list",
        "rules as /list numbered them",
        "bot",
        "expires after a day",
        Backup.PASSING,
    ),
    Family(
        "storm:stranger:<chat>",
        "string",
        "a chat without a user was told so",
        "bot",
        "expires after an hour",
        Backup.PASSING,
    ),
    Family(
        "storm:bot",
        "string",
        "name of the Telegram bot that listens",
        "bot",
        "expires after 30 s",
        Backup.REMADE,
    ),
    Family(
        "storm:botlock",
        "string",
        "the process that asks Telegram for updates",
        "bot",
        "expires after 15 s",
        Backup.PASSING,
    ),
    Family(
        "storm:notices",
        "hash",
        "what is wrong, by name, as JSON: since when, whether admins were told, since when it is well again",
        "bot",
        "one field per thing that is wrong; deleted when it is over",
        Backup.REMADE,
    ),
    Family(
        "storm:roll",
        "set",
        "names of the processes that have beaten",
        "bot",
        "one member per kind of process",
        Backup.REMADE,
    ),
    Family(
        "storm:noticeslock",
        "string",
        "the process that looks what is wrong",
        "bot",
        "expires after 15 s",
        Backup.PASSING,
    ),
)
