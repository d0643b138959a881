"""Who may do what in Redis: one user for each process, with the commands, keys and channels that its work takes.

There is no default user. `python -m stormalert acl` prints the users as the server reads them (deploy/redis/server.conf), with
digests of their passwords. A script runs with the rights of who calls it, on the keys that it derives too. What is secret in
Redis (codes, links, sessions that were ended) is open only to those who have to do with it. tests/deploy/test_acl.py starts
each process with its own user, and tries what each may not.
"""

import hashlib
import secrets
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from stormalert.errors import InputError
from stormalert.redis import keys
from stormalert.redis.keys import Family, Shard

# What every client says to introduce itself, and what a cluster's client asks to find its way. Of CLIENT only what concerns
# the connection itself is left by `-@dangerous`.
CONNECTION = "+@connection -@dangerous +asking +readonly +cluster|slots +cluster|shards +cluster|nodes"
# By its digest, loaded first where the server does not know it; never EVAL.
SCRIPT = "+evalsha +script|load"
SCRIPT_READ = "+evalsha_ro +script|load"
BEAT = "+hset +hincrby +pexpire +zadd +zremrangebyscore +del +zrem"
# The health check runs in the process's own container, with its own user.
HEALTHY = "+zrangebyscore"
# MULTI and what belongs to it; each command within is checked by itself.
TRANSACTION = "+multi +exec +discard +watch +unwatch"
STATUS = "+info +hgetall +zrangebyscore +xrevrange +xinfo|groups +xlen +xrange"
# What lua/ calls for the engine. XGROUP and XREADGROUP: the evaluator's place in the stream is the engine's own.
ENGINE = (
    "+xadd +xlen +xrange +xinfo|stream +xinfo|groups +xgroup|create +xgroup|setid +get +mget +set +mset +getrange +setrange "
    "+exists +del +rename +hget +hgetall +hset +hdel +hincrby +zadd +zrem +zcard +zscore +zrange +zrangebyscore "
    "+zrevrange +zrevrangebyscore +zremrangebyrank"
)
ENGINE_READ = "+get +mget +getrange +exists +hget +hgetall +zcard +zscore +zrange +zrangebyscore +zrevrange +zrevrangebyscore"
LIMITS = "+time +zadd +zrem +zscore +zcard +zcount +zrange +zremrangebyscore +pexpire +pttl"
# RQ writes its own scripts and keeps its jobs in hashes, its queues in lists, its registries in sorted sets.
QUEUE = (
    "+info +evalsha +script|load +script|exists +exists +del +expire +persist +rename +type +hset +hget +hmget +hgetall +hdel "
    "+hexists +hincrby +hincrbyfloat +sadd +srem +smembers +sismember +scard +zadd +zrem +zscore +zcard +zcount +zrange "
    "+zrangebyscore +zrevrange +zremrangebyscore +zremrangebyrank +lpush +rpush +lpop +lrem +llen +lpos +lrange +blpop +lmove "
    "+get +set +setnx +incrby +xadd +xrevrange +xlen +xread"
)

ADMIN = "admin"


# What the evaluator makes for its rules.
ENGINES = (Shard.instrument, *keys.ENGINE, Shard.cursor, Shard.counters)
# What the status page and the notices are made of.
CONDITION = (Shard.ticks, Shard.alerts, keys.alive, keys.BEATS, keys.FEED, keys.GAPS)
RATES = (keys.window, keys.line)
RQ = "rq:*"

# Of ours by their family; a pattern for what others name.
Keys = Family | str


@dataclass(frozen=True)
class AclUser:
    name: str
    # What the process is there for; it is why it may do so much.
    why: str
    commands: tuple[str, ...]
    writes: tuple[Keys, ...] = ()
    # Keys that it fills, but may not read.
    adds: tuple[Keys, ...] = ()
    reads: tuple[Keys, ...] = ()
    channels: tuple[Keys, ...] = ()

    def line(self, password_digest: str) -> str:
        """As a line of the server's ACL file."""
        patterns = [f"~{_glob(each)}" for each in self.writes]
        patterns += [f"%W~{_glob(each)}" for each in self.adds]
        patterns += [f"%R~{_glob(each)}" for each in self.reads]
        channels = [f"&{_glob(each)}" for each in self.channels]
        rights = " ".join(("resetkeys", *patterns, "resetchannels", *channels, "-@all", *self.commands))
        return f"user {self.name} on #{password_digest} {rights}"


def _glob(keys_of: Keys) -> str:
    return keys_of.glob() if isinstance(keys_of, Family) else keys_of


def _process(name: str, why: str, *commands: str, writes: Iterable[Keys] = (), **keys_of: tuple[Keys, ...]) -> AclUser:
    """One that beats, and whose health check looks for the beat."""
    beat = (keys.alive.glob(name), keys.BEATS, keys.STARTS)
    return AclUser(name, why, (CONNECTION, BEAT, HEALTHY, *commands), writes=(*beat, *writes), **keys_of)


USERS = (
    _process(
        "ingest",
        "appends ticks, and writes quotes, minute bars, gaps and the feed's state; answers who asks for Kite's candles",
        SCRIPT,
        "+get +set +xadd +hset +hmget +exists +pexpire +publish +brpop +lpush +expire",
        writes=(
            *(Shard.ticks, Shard.appended, Shard.quote, Shard.bars, keys.FEED, keys.GAPS, Shard.instrument),
            *(keys.CANDLES_ASKED, keys.candles),
        ),
        channels=(keys.QUOTES_TOPIC,),
    ),
    _process(
        "evaluator",
        "runs the engine: reads ticks, writes alerts, arms and disarms rules; SCAN for what an older layout left behind",
        SCRIPT,
        ENGINE,
        "+xread +xreadgroup +xtrim +sadd +srem +smembers +scan +unlink",
        writes=(Shard.ticks, Shard.alerts, Shard.rule_sync, *ENGINES, keys.spread),
        # The previous close, for day rules.
        reads=(Shard.quote,),
    ),
    _process(
        "dispatch",
        "reads alerts as a group, makes RQ jobs of them, and looks which worker has died",
        SCRIPT,
        LIMITS,
        QUEUE,
        TRANSACTION,
        "+xreadgroup +xack +xautoclaim +xgroup|create +xgroup|delconsumer +xinfo|groups +xinfo|consumers",
        writes=(Shard.alerts, keys.user_window, keys.user_recent, RQ),
        reads=(keys.alive.glob("worker"),),
    ),
    _process(
        "worker",
        "takes RQ jobs, keeps to the providers' limits, marks what went out, and asks for notices of what fails",
        SCRIPT,
        LIMITS,
        QUEUE,
        TRANSACTION,
        "+subscribe +unsubscribe",
        writes=(keys.sent, keys.inbound, keys.failures, keys.told, *RATES, RQ),
        adds=(keys.SEND_REQUESTS,),
        channels=("rq:pubsub:*",),
    ),
    _process(
        "bot",
        "talks with people: codes, links, lists; runs send requests; watches all processes and tells admins",
        SCRIPT,
        LIMITS,
        STATUS,
        TRANSACTION,
        "+get +set +getdel +incrby +expire +exists +hget +hmget +hdel +rpush +lrange +sadd +smembers",
        "+xadd +xreadgroup +xack +xautoclaim +xgroup|create",
        writes=(
            *(keys.SEND_REQUESTS, keys.BOT_NAME, keys.BOT_LOCK, keys.NOTICES, keys.NOTICES_LOCK, keys.ROLL),
            *(keys.LAST_KNOWN, keys.send_request, keys.link, keys.code, keys.code_tries, keys.codes_asked),
            *(keys.listed, keys.stranger, keys.sent, keys.inbound, keys.told, *RATES),
        ),
        reads=CONDITION,
    ),
    _process(
        "dashboard",
        "signs people in, asks for send requests and candles, and shows all that is to be seen, to Prometheus too",
        SCRIPT_READ,
        ENGINE_READ,
        STATUS,
        TRANSACTION,
        "+get +set +incrby +expire +pttl +hmget +scard +smembers +xadd +time +cluster|info +llen +lpush +blpop",
        writes=(
            *(keys.revoked, keys.code_used, keys.sign_ins, keys.sign_in_pause, keys.inbound),
            *(keys.send_request, keys.link, keys.code, keys.code_tries, keys.failures, keys.told),
            *(keys.CANDLES_ASKED, keys.candles),
        ),
        adds=(keys.SEND_REQUESTS, keys.sent),
        reads=(*CONDITION, *ENGINES, Shard.quote, Shard.bars, keys.spread, keys.BOT_NAME, keys.NOTICES, keys.ROLL),
    ),
    _process(
        "relay",
        "tells browsers of quotes, alerts and the status as they come",
        SCRIPT_READ,
        ENGINE_READ,
        STATUS,
        "+xread +hmget +subscribe +unsubscribe",
        reads=(*CONDITION, *ENGINES, Shard.quote, Shard.bars, keys.revoked, keys.NOTICES),
        channels=(keys.QUOTES_TOPIC,),
    ),
    _process(
        "board",
        "rq-dashboard, for admins: the queues, their jobs and workers",
        QUEUE,
        TRANSACTION,
        writes=(RQ,),
        reads=(keys.revoked,),
    ),
    AclUser("health", "the server's own health check: whether it answers", ("+ping",)),
    AclUser(
        "backup",
        "reads everything, to keep a copy of it outside",
        (
            CONNECTION,
            SCRIPT_READ,
            "+scan +type +pttl +exists +get +hget +hgetall +smembers +lrange +zrange",
            "+xrange +xinfo|stream +xinfo|groups +xpending",
            "+dump +info +dbsize +lastsave +bgsave +bgrewriteaof",
        ),
        reads=("*",),
    ),
    AclUser(
        "exporter",
        "figures of the server itself for Prometheus; no key",
        (CONNECTION, "+info +slowlog|len +latency|latest +memory|stats +client|list"),
    ),
    AclUser(ADMIN, "the operator: everything", ("+@all",), writes=("*",), channels=("*",)),
)
NAMES = tuple(user.name for user in USERS)

# The server keeps a plain SHA-256 of each; only a long random one stands that.
PASSWORD_LENGTH = 24


def users_acl(passwords: Mapping[str, str]) -> str:
    """The ACL file. Raises InputError for a user without a password, or one that is too short to be no guess."""
    missing = [name for name in NAMES if not passwords.get(name)]
    if missing:
        raise InputError(f"these users of Redis have no password: {', '.join(missing)}")
    if short := [name for name in NAMES if len(passwords[name]) < PASSWORD_LENGTH]:
        raise InputError(f"passwords have at least {PASSWORD_LENGTH} characters, not so: {', '.join(short)}")
    lines = [user.line(digest(passwords[user.name])) for user in USERS]
    # Redis makes a default user that may do everything unless the file says otherwise.
    return "\n".join(("user default off resetpass resetkeys resetchannels -@all", *lines, ""))


def digest(password: str) -> str:
    """As the server keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()


def write(directory: Path, *, is_new: bool) -> int:
    """Print the ACL file for the passwords in the directory's files; the exit code."""
    try:
        if is_new:
            make_passwords(directory)
        print(users_acl(read_passwords(directory)), end="")
    except InputError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def make_passwords(directory: Path) -> None:
    """For each user that has none. Raises InputError."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in NAMES:
            path = password_file(directory, name)
            if not path.exists():
                path.touch(mode=0o600)
                path.write_text(secrets.token_hex(PASSWORD_LENGTH))
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None


def read_passwords(directory: Path) -> dict[str, str]:
    """Of those that have a file. Raises InputError."""
    try:
        paths = {name: password_file(directory, name) for name in NAMES}
        return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None


def password_file(directory: Path, name: str) -> Path:
    return directory / f"redis_{name}"
