"""Every kind at every door: what is sound is taken by each and means the same, what is not is refused by each in one sentence.

The cases are made from the kinds' descriptions, so that a new kind is held against all doors by being there.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError
from redis import Redis

from dashboard.api import rules as rest
from dashboard.backtest import chosen_rules
from dashboard.rules import bulk, changes, form
from evaluator.tables import RULE_COLUMNS, read_rules
from stormalert.errors import InputError
from stormalert.model import Direction, Instrument, Kind, Repeat, Rule, sentences
from stormalert.rules import line as rule_line
from stormalert.rules import table as rule_table
from stormalert.rules.kinds import KINDS
from stormalert.rules.kinds.fields import FIELDS, PERCENT, PRICE, WINDOW, Field
from stormalert.rules.line import WATCHLIST, WATCHLIST_WORD
from stormalert.rules.table import BadTable
from stormalert.store import Store, open_store
from stormalert.units import HOUR_MS, MINUTE_MS
from workers.bot.commands import Commands, Said

INFY = Instrument(token=408065, symbol="NSE:INFY")
# Of a rule, what all doors have to agree on.
MEANT = {"kind", "direction", "percent_e2", "price_e4", "window_ms", "repeat", "cooldown_ms"}


class Typed(NamedTuple):
    """A condition in texts, by the names that tables have for them."""

    texts: dict[str, str]
    is_on_watchlist: bool = False

    @property
    def kind(self) -> Kind:
        return Kind(self.texts["kind"])

    @property
    def subject(self) -> str:
        return WATCHLIST_WORD if self.is_on_watchlist else INFY.symbol

    @property
    def line(self) -> str:
        amounts = [self.texts[field.name] for field in FIELDS if self.texts.get(field.name)]
        pause = ["cooldown", self.texts["cooldown"]] if self.texts.get("cooldown") else []
        return " ".join([self.subject, self.texts["kind"], self.texts.get("direction", "both"), *amounts, *pause])

    def but(self, **texts: str) -> "Typed":
        return self._replace(texts=self.texts | texts)


Door = Callable[[Typed], Rule]


def find(symbol: str) -> Instrument | None:
    return INFY if symbol.casefold() == INFY.symbol.casefold() else None


def by_line(typed: Typed) -> Rule:
    return rule_line.read(typed.line, find, id="r1", user="u1")


def by_table(typed: Typed) -> Rule:
    row = {"symbol": typed.subject} | typed.texts
    text = "\n".join([",".join(row), ",".join(f'"{cell}"' for cell in row.values())])
    (rule,) = rule_table.read(text, find, {}, "u1", 10)
    return rule


def by_form(typed: Typed) -> Rule:
    pause = typed.texts.get("cooldown", form.USUAL_PAUSE)
    direction = Direction(typed.texts.get("direction", "both"))
    fields = form.condition(typed.kind, direction, typed.texts, Repeat.EVERY, pause)
    return form.new_watchlist_rule("u1", fields) if typed.is_on_watchlist else form.new_rule("u1", INFY, fields)


def by_rest(typed: Typed) -> Rule:
    asked = rest.NewRule.model_validate({"symbol": typed.subject} | {name: text for name, text in typed.texts.items() if text})
    place = {"token": 0, "symbol": WATCHLIST} if typed.is_on_watchlist else {"token": INFY.token, "symbol": INFY.symbol}
    return rest._rule(asked, id="r1", user="u1", **place)


def by_backtest(typed: Typed) -> Rule:
    (rule,) = chosen_rules._typed(typed.line, "u1", True)
    return rule


def by_replay(typed: Typed, tmp_path: Path) -> Rule:
    cells = {"id": "r1", "symbol": INFY.symbol, "repeat": "every", "direction": "both"} | typed.texts
    path = tmp_path / "R.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerows([(*RULE_COLUMNS, "price"), [cells.get(name, "") for name in (*RULE_COLUMNS, "price")]])
    return read_rules(path, [INFY.symbol])["r1"]


def by_change(typed: Typed) -> Rule:
    """Of a rule of the kind that is sound: as all that are marked are changed at once."""
    before = by_table(sound(typed.kind))
    typed_in = {label: typed.texts[field.name] for label, field in bulk._AMOUNTS.items() if typed.texts.get(field.name)}
    typed_in |= {bulk._DIRECTION: typed.texts.get("direction", "both")}
    typed_in |= {bulk._PAUSE: typed.texts["cooldown"]} if typed.texts.get("cooldown") else {}
    return changes.changed(before, bulk._read(typed_in))


class Bot:
    def __init__(self, store: Store, commands: Commands) -> None:
        self._store = store
        self._commands = commands

    def __call__(self, typed: Typed) -> Rule:
        known = {rule.id for rule in self._store.rules_of("u1")}
        answer = self._commands.answer("add", Said("u1", "42", len(known) + 1, typed.line))
        if answer.startswith("Not understood: "):
            raise InputError(answer)
        (rule,) = [rule for rule in self._store.rules_of("u1") if rule.id not in known]
        return rule


@pytest.fixture
def doors(tmp_path: Path, redis_url: str) -> Iterator[Mapping[str, Door]]:
    store = open_store("", tmp_path / "store.sqlite3")
    store.save_instruments([INFY])
    with Redis.from_url(redis_url, decode_responses=True) as client:
        yield {
            "line": by_line,
            "table": by_table,
            "form": by_form,
            "rest": by_rest,
            "backtest": by_backtest,
            "replay": lambda typed: by_replay(typed, tmp_path),
            "change": by_change,
            "bot": Bot(store, Commands(store, client)),
        }
    store.close()


def sound(kind: Kind, **texts: str) -> Typed:
    """The description's own example."""
    return Typed({"kind": str(kind)} | {field.name: field.example for field in KINDS[kind].fields} | texts)


def refusal(door: Door, typed: Typed) -> str:
    with pytest.raises(InputError) as refused:
        door(typed)
    return str(refused.value)


KINDS_AND_FIELDS = [(kind, field) for kind in Kind for field in KINDS[kind].fields]
# What doors cannot be asked: the form shows no field that a kind has not, a change of many leaves no field empty and moves no
# rule to another subject, a level is each rule's own, and a recording has no watchlist; of a file it is all that is in it.
HAS_FIELDS_OF_THE_KIND = {"form"}
LEAVES_NOTHING_OUT = {"change"}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("direction", Direction)
def test_what_is_sound_is_taken_by_every_door_and_means_the_same(
    doors: Mapping[str, Door], kind: Kind, direction: Direction
) -> None:
    for typed in (sound(kind, direction=str(direction)), sound(kind, direction=str(direction), cooldown="10m")):
        meant = {name: door(typed).model_dump(include=MEANT) for name, door in doors.items()}
        assert all(found == meant["line"] for found in meant.values()), meant
        rule = by_line(typed)
        pause_ms = 10 * MINUTE_MS if typed.texts.get("cooldown") else KINDS[kind].usual_cooldown_ms(rule.window_ms)
        assert rule.cooldown_ms == pause_ms
        assert [getattr(rule, field.attribute) for field in FIELDS] == [
            field.read(field.example) if field in KINDS[kind].fields else 0 for field in FIELDS
        ]


@pytest.mark.parametrize("kind", Kind)
def test_the_example_that_is_shown_is_one(kind: Kind) -> None:
    assert rule_line.read(f"NSE:INFY {kind} {KINDS[kind].example}", find, id="r1", user="u1").kind is kind


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_on_a_watchlist_where_its_description_says_so(doors: Mapping[str, Door], kind: Kind) -> None:
    typed = sound(kind)._replace(is_on_watchlist=True)
    asked = {name: door for name, door in doors.items() if name not in ("replay", "change")}
    if KINDS[kind].can_be_on_watchlist:
        assert all(door(typed).is_on_watchlist for door in asked.values())
    else:
        said = {name: refusal(door, typed) for name, door in asked.items()}
        assert all(f"expected one instrument: a {kind} rule is not on a watchlist" in text for text in said.values()), said


# How people write one and the same.
SPELLINGS: dict[Field, tuple[tuple[str, ...], int]] = {
    PERCENT: (("2", "2%", "2 %", "2.00", "2.0%", "+2"), 200),
    PRICE: (("1500", "+1500", "₹1500", "₹ 1,500", "1,500.00", "Rs 1500", "rs.1,500"), 15_000_000),
    WINDOW: (("5m", "5M", "5 m", "5min", "5 mins", "300s", "300 sec", "5 minutes"), 5 * MINUTE_MS),
}
PAUSES = ("1h", "1 hr", "60m", "1 hour", "3600s")


@pytest.mark.parametrize(("kind", "field"), KINDS_AND_FIELDS)
def test_an_amount_is_read_by_every_door_however_it_is_written(doors: Mapping[str, Door], kind: Kind, field: Field) -> None:
    texts, expected = SPELLINGS[field]
    for text in texts:
        found = {name: getattr(door(sound(kind, **{field.name: text})), field.attribute) for name, door in doors.items()}
        assert set(found.values()) == {expected}, (text, found)


def test_a_pause_is_read_by_every_door_however_it_is_written(doors: Mapping[str, Door]) -> None:
    for text in PAUSES:
        found = {name: door(sound(Kind.DAY, cooldown=text)).cooldown_ms for name, door in doors.items()}
        assert set(found.values()) == {HOUR_MS}, (text, found)


# What is none, and what is said of it.
BAD: dict[Field, tuple[tuple[str, str], ...]] = {
    PERCENT: (
        ("0", "above 0 and at most 1000"),
        ("1000.01", "above 0 and at most 1000"),
        ("2.345", "a number with at most 2 decimals"),
        ("1,5,0", "a decimal number such as 150"),
        ("2,5%", "a decimal number such as 2.5"),
        ("-2", "above 0 and at most 1000"),
        ("−2", "a decimal number"),
        ("२", "a decimal number"),
        ("2٫5", "a decimal number"),
        ("1e3", "a decimal number"),
        ("2%%", "a decimal number"),
        ("99999999999999999999", "a decimal number"),
    ),
    PRICE: (
        ("0", "above 0 and at most 8000000 rupees"),
        ("8000000.0001", "above 0 and at most 8000000 rupees"),
        ("1.00001", "a number with at most 4 decimals"),
        ("1500,50", "a decimal number such as 1500.50"),
        ("1.500,50", "a decimal number such as 1500.50"),
        ("1,5,0,0", "a decimal number such as 1500"),
        ("5%", "a decimal number"),
        ("-1500", "above 0 and at most 8000000 rupees"),
        ("₹-5", "above 0 and at most 8000000 rupees"),
        ("१५००", "a decimal number"),
        ("15E2", "a decimal number"),
    ),
    WINDOW: (
        ("0s", "from 1s to 24h"),
        ("999ms", "from 1s to 24h"),
        ("25h", "from 1s to 24h"),
        ("1.5h", "a whole number and a unit"),
        ("1h30m", "a whole number and a unit"),
        ("-5m", "a whole number and a unit"),
        ("५m", "a whole number and a unit"),
        ("9999999999h", "a whole number and a unit"),
    ),
}
BAD_PAUSES = (("169h", "from 0s to 168h"), *((text, f"cooldown must be {expected}") for text, expected in BAD[WINDOW][3:]))


@pytest.mark.parametrize(("kind", "field"), KINDS_AND_FIELDS)
def test_a_bad_amount_is_refused_by_every_door_in_one_sentence(doors: Mapping[str, Door], kind: Kind, field: Field) -> None:
    for text, expected in BAD[field]:
        for name, door in doors.items():
            if name == "change" and field not in bulk._AMOUNTS.values():
                continue
            assert expected in refusal(door, sound(kind, **{field.name: text})), (name, text)


def test_a_bad_pause_is_refused_by_every_door_in_one_sentence(doors: Mapping[str, Door]) -> None:
    for text, expected in BAD_PAUSES:
        for name, door in doors.items():
            told = refusal(door, sound(Kind.DAY, cooldown=text))
            # A table names the column beside the sentence.
            assert expected in told or expected.removeprefix("cooldown must be ") in told, (name, told)


@pytest.mark.parametrize("kind", [kind for kind in Kind if KINDS[kind].has_percent])
def test_a_fall_by_all_of_the_price_is_refused_by_every_door_and_by_the_model(doors: Mapping[str, Door], kind: Kind) -> None:
    for percent in ("100", "150%"):
        expected = "expected less than 100%: a price cannot fall by all of itself"
        said = {name: refusal(door, sound(kind, direction="down", percent=percent)) for name, door in doors.items()}
        assert all(expected in text for text in said.values()), said
    assert expected in told(by_line(sound(kind)), direction="down", percent_e2=10_000)


@pytest.mark.parametrize(("kind", "field"), KINDS_AND_FIELDS)
def test_a_field_that_is_missing_is_asked_for_by_every_door_and_by_the_model(
    doors: Mapping[str, Door], kind: Kind, field: Field
) -> None:
    expected = f"expected one such as {field.example}: a {kind} rule needs it"
    for name in set(doors) - LEAVES_NOTHING_OUT:
        assert expected in refusal(doors[name], sound(kind, **{field.name: ""})), name
    assert expected in told(by_line(sound(kind)), **{field.attribute: 0})


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind in Kind for field in FIELDS if field not in KINDS[kind].fields]
)
def test_a_field_that_a_kind_has_not_is_refused_by_every_door_and_by_the_model(
    doors: Mapping[str, Door], kind: Kind, field: Field
) -> None:
    # In a line one amount cannot be told from the other.
    cannot = HAS_FIELDS_OF_THE_KIND | (set() if field is WINDOW else {"line", "bot", "backtest"})
    cannot |= set() if field in bulk._AMOUNTS.values() else {"change"}
    for name in set(doors) - cannot:
        assert f"empty for a {kind} rule" in refusal(doors[name], sound(kind, **{field.name: field.example})), name
    assert f"empty for a {kind} rule" in told(by_line(sound(kind)), **{field.attribute: field.read(field.example)})


@pytest.mark.parametrize(("kind", "field"), KINDS_AND_FIELDS)
def test_the_model_says_of_a_number_what_the_doors_say_of_its_text(kind: Kind, field: Field) -> None:
    for text, expected in BAD[field]:
        if "above 0 and" in expected or "from" in expected:
            assert expected in told(by_line(sound(kind)), **{field.attribute: 10**15 if text != "0" else -1})


@pytest.mark.parametrize("kind", Kind)
def test_a_pause_that_is_too_long_is_refused_by_the_model(kind: Kind) -> None:
    assert "from 0s to 168h" in told(by_line(sound(kind)), cooldown_ms=169 * HOUR_MS)


def test_all_that_is_wrong_is_told_at_once() -> None:
    texts = {"kind": "rolling", "direction": "left", "percent": "0", "window": "25h", "cooldown": "soon"}
    with pytest.raises(BadTable) as refused:
        by_table(Typed(texts))
    assert [row.column for row in refused.value.rows] == ["direction", "percent", "window", "cooldown"]


def told(rule: Rule, **changed: Any) -> str:
    """What the model says of the rule once it is changed so."""
    with pytest.raises(ValidationError) as refused:
        Rule.model_validate(rule.model_dump() | changed)
    return "; ".join(sentences(refused.value))
