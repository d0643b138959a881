from pathlib import Path

import pytest

from stormalert.errors import InputError
from stormalert.notify import templates
from stormalert.store import open_store

NOON_MS = 1_700_000_000_123
ALERT = templates.example("rule1-1", "user1", NOON_MS)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{symbol} {price}", "NSE:INFY 1,384.55"),
        ("{arrow}{direction} {percent}% {reference} {extreme} {window} {time}", "▲up 2.13% 1,355.70 low 5 min 03:43:20"),
        ("शेयर {symbol} ने {price} छुआ", "शेयर NSE:INFY ने 1,384.55 छुआ"),
        ("{{{symbol}}} {{symbol}}", "{NSE:INFY} {symbol}"),
        ("no placeholder at all", "no placeholder at all"),
        ("  {symbol}  \r\n  {price}  ", "NSE:INFY\n  1,384.55"),
    ],
)
def test_placeholders_are_filled_and_all_else_stays(template: str, text: str) -> None:
    assert templates.fill(templates.checked(template), templates.fields_of(ALERT, NOON_MS)) == text


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("", "needs a text"),
        (" \n ", "needs a text"),
        ("x" * 1_001, "at most 1,000 characters, has 1,001"),
        ("{prise}", "no placeholder {prise}; there are {symbol}, {price}"),
        ("{}", "no placeholder {}"),
        ("{0}", "no placeholder {0}"),
        ("{symbol.__class__}", "no placeholder {symbol.__class__}"),
        ("{symbol[0]}", "no placeholder {symbol[0]}"),
        ("{symbol!r}", "a name in braces and nothing else"),
        ("{price:>999999999}", "a name in braces and nothing else"),
        ("{price:{symbol}}", "a name in braces and nothing else"),
        ("{ symbol }", "no placeholder { symbol }"),
        ("{symbol", "write {{ or }} for a brace itself"),
        ("symbol}", "write {{ or }} for a brace itself"),
        ("\x1b[31m{symbol}", "no control characters"),
    ],
)
def test_what_is_no_template_is_refused_with_the_reason(template: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        templates.checked(template)
    assert why in str(refused.value)


def test_what_an_alert_holds_is_never_taken_for_a_placeholder() -> None:
    odd = ALERT.model_copy(update={"symbol": "{price}"})
    assert templates.fill("{symbol}", templates.fields_of(odd, NOON_MS)) == "{price}"


def test_every_placeholder_has_a_text_for_every_kind_of_alert() -> None:
    assert set(templates.fields_of(ALERT, NOON_MS)) == set(templates.PLACEHOLDERS)
    for template in templates.DEFAULTS.values():
        assert templates.checked(template) == template


def test_a_preview_shows_the_example_alert() -> None:
    assert templates.preview("{symbol} {direction}", NOON_MS) == "NSE:INFY up"
    assert templates.preview("", NOON_MS).startswith("▲ NSE:INFY 1,384.55 · up 2.13 %\nfrom 1,355.70 in 5 min")


def test_a_template_is_its_users_own_and_an_empty_one_brings_the_usual_text_back(tmp_path: Path) -> None:
    store = open_store("", tmp_path / "store.sqlite3")
    templates.save_template(store, "asha", " {symbol} ")
    assert (templates.template_of(store, "asha"), templates.template_of(store, "mina")) == ("{symbol}", "")
    with pytest.raises(InputError):
        templates.save_template(store, "asha", "{no}")
    assert templates.template_of(store, "asha") == "{symbol}"
    templates.save_template(store, "asha", "")
    assert templates.template_of(store, "asha") == ""
    # Taken by a StormAlert that knew another placeholder.
    store.save_setting("template.asha", "{gone}")
    assert templates.template_of(store, "asha") == ""
    store.close()
