"""What the description of each kind has to say, whoever asks it."""

import re
import string

import pytest

from ops import docs
from stormalert.model import Direction, Kind
from stormalert.notify import templates
from stormalert.rules.kinds import KINDS, kinds_with
from stormalert.rules.kinds.description import Description
from stormalert.rules.kinds.fields import COOLDOWN, FIELDS, PERCENT, PRICE, WINDOW
from stormalert.units import HOUR_MS, MINUTE_MS

SIDES = {Direction.UP, Direction.DOWN}
# What a text of it may name, and which of them the kind has to have.
PLACES = {"percent": PERCENT, "price": PRICE, "window": WINDOW}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_one_description_under_its_own_word(kind: Kind) -> None:
    assert KINDS[kind].word == kind
    assert len(KINDS) == len(Kind)


@pytest.mark.parametrize("it", KINDS.values(), ids=lambda it: it.word)
def test_a_description_has_a_text_for_every_side(it: Description) -> None:
    assert set(it.ways) == set(it.waits) == set(Direction)
    assert set(it.happened) == set(it.reference) == SIDES
    assert all((*it.ways.values(), *it.waits.values(), *it.happened.values(), *it.reference.values(), it.name, it.short))


@pytest.mark.parametrize("it", KINDS.values(), ids=lambda it: it.word)
def test_a_text_names_only_what_a_rule_of_the_kind_has(it: Description) -> None:
    has = {name for name, field in PLACES.items() if field in it.fields}
    for text in it.waits.values():
        assert places(text) == has
    for text in (*it.happened.values(), *it.reference.values()):
        assert places(text) <= has - {"price"} | {"reference"}
    assert places(it.message) <= set(templates.PLACEHOLDERS) - ({"window"} - has)
    assert templates.checked(templates.DEFAULTS[Kind(it.word)])


@pytest.mark.parametrize("it", KINDS.values(), ids=lambda it: it.word)
def test_an_amount_comes_first_and_fires_either_at_a_price_or_from_one(it: Description) -> None:
    assert it.amount in (PERCENT, PRICE)
    assert it.has_percent is not it.is_at_price
    assert it.has_window is (it.cooldown_ms is None)


@pytest.mark.parametrize(
    ("kind", "usual_ms"),
    [(Kind.ROLLING, 5 * MINUTE_MS), (Kind.TRAILING, MINUTE_MS), (Kind.DAY, 8 * HOUR_MS), (Kind.LEVEL, MINUTE_MS)],
)
def test_a_kind_pauses_as_long_as_it_always_did(kind: Kind, usual_ms: int) -> None:
    assert KINDS[kind].usual_cooldown_ms(5 * MINUTE_MS) == usual_ms


@pytest.mark.parametrize("field", (*FIELDS, COOLDOWN), ids=lambda field: field.name)
def test_what_a_field_shows_can_be_typed(field: object) -> None:
    assert isinstance(field, type(PERCENT))
    for value in (field.least, field.read(field.example), field.most):
        assert field.read(field.write(value)) == value
    assert all(field.read(text) >= field.least for text in (*field.offered, field.usual) if text not in ("", "usual"))


def test_a_document_names_the_kinds_that_have_a_field() -> None:
    assert (kinds_with(PRICE), kinds_with(WINDOW)) == ("level", "rolling")


def engine_row(kind: Kind) -> str:
    """What lua/lib/kinds.lua says of the kind."""
    rows = (docs.ROOT / "lua" / "lib" / "kinds.lua").read_text()
    found = re.search(rf"^  {kind} = \{{(.*?)\}},$", rows, re.MULTILINE | re.DOTALL)
    assert found, f"{kind} has no row"
    return found[1]


@pytest.mark.parametrize("kind", Kind)
def test_the_engine_says_the_same_of_a_kind(kind: Kind) -> None:
    it, row = KINDS[kind], engine_row(kind)
    assert f"family = {it.index}," in row.replace(" }", ",") + ","
    assert ("is_price = true" in row) is it.is_at_price
    usual = re.search(r"usual_cooldown_ms = (\d+)", row)
    assert (int(usual[1]) if usual else None) == it.cooldown_ms


@pytest.mark.parametrize("kind", Kind)
def test_what_the_how_to_lists_is_there_for_every_kind(kind: Kind) -> None:
    it = KINDS[kind]
    assert (docs.ROOT / "stormalert" / "rules" / "kinds" / f"{it.word}.py").is_file()
    assert (docs.ROOT / "lua" / "lib" / f"{it.index}.lua").is_file()
    for document in (docs.ROOT / "README.md", docs.ARCHITECTURE):
        assert f"\n| {it.word} | " in document.read_text(), document.name
