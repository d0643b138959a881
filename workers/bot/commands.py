"""What the bot answers to a user's commands, as Telegram's HTML. Knows the store and Redis, but not Telegram."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import cast

from redis import Redis

from stormalert import words
from stormalert.access.security import digest_id, new_id
from stormalert.config import policy
from stormalert.errors import Conflict, InputError
from stormalert.model import Mute, MuteScope, Rule, RuleState
from stormalert.notify import preferences
from stormalert.process import REDIS_ERRORS, is_beating
from stormalert.redis import keys
from stormalert.rules import line as rule_line
from stormalert.store import Store
from stormalert.units import HOUR_MS, MINUTE_MS, now_ms, parse_duration_ms
from workers.bot.buttons import Press, Verb, find_rule
from workers.bot.explain import explained
from workers.bot.numbers import Numbers, whole

SNOOZE_MS = HOUR_MS
SNOOZE_MAX_MS = 30 * 24 * HOUR_MS
# A page of the list fits into one message.
PAGE = 25
MOST_RULES = 500
ALERTS_EXPLAINED = 5

# As Telegram's menu shows them.
MENU = {
    "list": "your rules, numbered",
    "add": "a rule, such as NSE:INFY rolling 2% 5m",
    "pause": "a rule, by its number",
    "resume": "a paused rule, by its number",
    "delete": "a rule, by its number",
    "snooze": "all alerts, one instrument or one rule, for a time",
    "unsnooze": "hear alerts again",
    "why": "the last alerts and what became of them",
    "status": "the feed, your rules and channels",
    "help": "what can be said",
}
HELP = (
    "<b>StormAlert</b>\n"
    "/list – your rules, numbered; /list 2 the second page\n"
    "/add <code>NSE:INFY rolling up 2% 5m</code> – a new rule\n"
    "/pause 3 · /resume 3 · /delete 3 – the rule with that number\n"
    "/snooze 1h – all alerts; /snooze NSE:INFY 1h – one instrument; /snooze 3 1h – one rule; without a time until /unsnooze\n"
    "/unsnooze – hear all again; /unsnooze NSE:INFY or 3 only that\n"
    "/why – the last alerts and what became of their messages\n"
    "/status – the feed, your rules and channels\n\n"
    "<b>Rules</b>: instrument or <code>watchlist</code>, then one of\n"
    "<code>rolling 2% 5m</code> – moved within the last 5 minutes\n"
    "<code>trailing 3%</code> – turned from its peak or trough\n"
    "<code>day 4%</code> – from the previous close\n"
    "<code>level 1500</code> – reached or crossed a price\n"
    "and, if you like, <code>up</code> or <code>down</code>, <code>once</code>, <code>cooldown 10m</code>."
)
_STATES = {RuleState.ACTIVE: "active", RuleState.PAUSED: "paused", RuleState.SPENT: "done"}


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a user; `message` is its number in the chat."""

    user: str
    chat: str
    message: int
    words: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a press did, in words, and how things are now."""

    text: str
    symbol: str
    is_muted: bool
    is_paused: bool


class Commands:
    def __init__(self, store: Store, client: Redis) -> None:
        self._store = store
        self._client = client
        self._numbers = Numbers(store, client)
        self._answers: dict[str, Callable[[Said], str]] = {
            "help": lambda _said: HELP,
            "status": self._status,
            "list": self._list,
            "add": self._add,
            "pause": lambda said: self._move(said, RuleState.PAUSED, "Paused"),
            "resume": lambda said: self._move(said, RuleState.ACTIVE, "Resumed"),
            "delete": lambda said: self._move(said, RuleState.DELETED, "Deleted"),
            "snooze": self._snooze,
            "unsnooze": self._unsnooze,
            "why": self._why,
        }

    def answer(self, command: str, said: Said) -> str:
        """HTML. A command that cannot be carried out is answered with a sentence."""
        answer = self._answers.get(command.lower())
        if answer is None:
            return f"/{escape(command[:32])} is no command of mine. /help lists them."
        try:
            return answer(said)
        except InputError as error:
            return f"Not understood: {escape(str(error))}."

    def press(self, user: str, press: Press) -> Pressed | None:
        """None when the alert's rule is not, or no longer, this user's."""
        rule = find_rule(self._store, user, press)
        if rule is None:
            return None
        instrument = self._store.instrument(press.token)
        symbol = instrument.symbol if instrument else rule.symbol
        mute = Mute.of(user, MuteScope.INSTRUMENT, str(press.token), name=symbol, until_ms=now_ms() + SNOOZE_MS)
        if press.verb is Verb.SNOOZE:
            self._store.save_mute(mute)
            text = f"You {words.mute(mute)}"
        elif press.verb is Verb.UNMUTE:
            self._store.delete_mute(mute.id)
            text = f"You hear of {symbol} again"
        else:
            is_pause = press.verb is Verb.PAUSE
            rule = self._save(rule, RuleState.PAUSED if is_pause else RuleState.ACTIVE)
            text = f"{'Paused' if is_pause else 'Resumed'}: {rule_line.write(rule)}"
        is_muted = any(it.id == mute.id for it in self._store.mutes_of(user, now_ms()))
        return Pressed(text, symbol, is_muted, rule.state is RuleState.PAUSED)

    def _status(self, said: Said) -> str:
        rules = self._rules(said.user)
        counts = [f"{sum(rule.state is state for rule in rules)} {name}" for state, name in _STATES.items()]
        channels = [
            f"{words.CHANNELS[it.kind]} {'on' if it.takes_alerts else 'off' if it.is_verified else 'not verified'}"
            for it in self._store.channels_of(said.user)
        ]
        mutes = [words.mute(it) for it in self._store.mutes_of(said.user, now_ms())]
        alerts = self._store.alerts_of(said.user, limit=1)
        lines = {
            "Feed": self._feed(),
            "Rules": ", ".join(counts),
            "Channels": ", ".join(channels),
            "Silent": f"you {'; you '.join(mutes)}" if mutes else "nothing",
            "Last alert": f"{words.moment(alerts[0].time_ms)} {alerts[0].symbol}" if alerts else "none yet",
        }
        return "\n".join(f"<b>{name}</b>: {escape(text)}" for name, text in lines.items())

    def _feed(self) -> str:
        try:
            feed = cast(dict[str, str], self._client.hgetall(keys.FEED))
            is_told = is_beating(self._client, "ingest")
        except REDIS_ERRORS:
            return "not known, Redis does not answer"
        if not feed:
            return "not started"
        # It would tell of the past.
        if not is_told:
            return "not known, ingest is not running"
        reason = f" – {feed['reason']}" if feed.get("reason") else ""
        return f"{feed.get('state', 'unknown').replace('_', ' ')}{reason}, {feed.get('instruments', '0')} instruments"

    def _list(self, said: Said) -> str:
        rules = self._rules(said.user)
        if not rules:
            return "No rules yet. Make one: /add <code>NSE:INFY rolling 2% 5m</code>"
        page = whole(said.words or "1", "page")
        # Later pages go on with the numbers that the first one gave.
        if page == 1 or not self._numbers.ids(said.chat):
            self._numbers.give(said.chat, rules)
        ids = self._numbers.ids(said.chat)
        pages = -(-len(ids) // PAGE)
        if not 1 <= page <= pages:
            raise InputError(f"found page {page}, expected 1 to {pages}")
        by_id, first = {rule.id: rule for rule in rules}, (page - 1) * PAGE
        lines = [f"{at + 1}. {_line(by_id.get(ids[at]))}" for at in range(first, min(first + PAGE, len(ids)))]
        if pages > 1:
            lines.append(f"Page {page} of {pages}" + (f"; /list {page + 1} goes on" if page < pages else ""))
        return "\n".join(lines)

    def _add(self, said: Said) -> str:
        if not said.words:
            raise InputError(f"found nothing after /add, expected a rule such as {rule_line.EXAMPLE}")
        # Of the message: Telegram brings it again when we die before we have said that we have it.
        id = f"t{digest_id(f'{said.chat}:{said.message}')}"
        rule = rule_line.read(said.words, self._store.instrument_by_symbol, id=id, user=said.user)
        known = self._store.rule(rule.id)
        if known and known.state is not RuleState.DELETED and rule_line.write(known) == rule_line.write(rule):
            return f"It is there already: <code>{escape(rule_line.write(rule))}</code>"
        others = self._rules(said.user)
        if len(others) >= MOST_RULES:
            raise InputError(f"you have {MOST_RULES} rules, more can be made on the dashboard")
        policy.check_rules(self._store, said.user)
        rule = self._store.save_rule(rule.model_copy(update={"id": new_id()}) if known else rule)
        number = self._numbers.add(said.chat, rule, others)
        return f"Added as number {number}: <code>{escape(rule_line.write(rule))}</code>"

    def _move(self, said: Said, state: RuleState, done: str) -> str:
        rule = self._save(self._numbers.rule(said.user, said.chat, said.words), state)
        return f"{done}: <code>{escape(rule_line.write(rule))}</code>"

    def _snooze(self, said: Said) -> str:
        subject, length_ms = _subject_and_length(said.words)
        mute = self._mute(said, subject, now_ms() + length_ms if length_ms else 0)
        self._store.save_mute(mute)
        return f"You {escape(words.mute(mute))}. They stay in the history; /unsnooze ends it."

    def _unsnooze(self, said: Said) -> str:
        mutes = self._store.mutes_of(said.user, now_ms())
        if said.words:
            wanted = self._mute(said, said.words, 0).id
            mutes = [mute for mute in mutes if mute.id == wanted]
        lifted = [mute for mute in mutes if self._store.delete_mute(mute.id)]
        if not lifted:
            return "That was not snoozed." if said.words else "Nothing was snoozed."
        return "\n".join(f"No longer {escape(words.mute(mute))}." for mute in lifted)

    def _why(self, said: Said) -> str:
        count = min(whole(said.words, "number") if said.words else ALERTS_EXPLAINED, 2 * ALERTS_EXPLAINED)
        alerts = self._store.alerts_of(said.user, limit=count) if count else []
        if not alerts:
            return "No alerts yet."
        return "\n\n".join(explained(alert, self._store.deliveries_of(alert.id)) for alert in alerts)

    def _mute(self, said: Said, subject: str, until_ms: int) -> Mute:
        if not subject or subject.lower() == "all":
            return Mute.of(said.user, MuteScope.ALL, until_ms=until_ms)
        if subject.isascii() and subject.isdigit():
            rule = self._numbers.rule(said.user, said.chat, subject)
            return Mute.of(said.user, MuteScope.RULE, rule.id, name=rule_line.write(rule), until_ms=until_ms)
        instrument = rule_line.find_instrument(subject, self._store.instrument_by_symbol)
        token, name = str(instrument.token), instrument.symbol
        return Mute.of(said.user, MuteScope.INSTRUMENT, token, name=name, until_ms=until_ms)

    def _rules(self, user: str) -> list[Rule]:
        return sorted(self._store.rules_of(user, limit=MOST_RULES), key=lambda rule: (rule.symbol, rule.id))

    def _save(self, rule: Rule, state: RuleState) -> Rule:
        while rule.state is not state:
            try:
                rule = self._store.save_rule(rule.model_copy(update={"state": state}))
            except Conflict:
                known = self._store.rule(rule.id)
                if known is None or known.state is RuleState.DELETED:
                    raise InputError("the rule was deleted meanwhile") from None
                rule = known
        preferences.forget_deleted(self._store, [rule])
        return rule


def _line(rule: Rule | None) -> str:
    return f"<code>{escape(rule_line.write(rule))}</code> – {_STATES[rule.state]}" if rule else "deleted"


def _subject_and_length(text: str) -> tuple[str, int]:
    """`NSE:INFY 1h`: the last word is the time when it looks like one; 0 for none."""
    subject, _, last = text.rpartition(" ")
    try:
        length_ms = parse_duration_ms(last.lower())
    except InputError:
        return text, 0
    if not MINUTE_MS <= length_ms <= SNOOZE_MAX_MS:
        raise InputError(f"found the time {last!r}, expected 1m to 720h")
    return subject.strip(), length_ms
