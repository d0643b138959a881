"""Rules in and out as CSV, by the route: a big table, a bad one, and back again."""

from collections.abc import Iterator

import httpx
import pytest

from stormalert.model import RuleState
from tests.store.records import an_instrument

from .conftest import Site

ROWS, BAD_EVERY = 10_000, 100
# There and back several times.
TO_AND_FRO = 2_000
HEADER = "symbol,kind,direction,percent,window,repeat,cooldown\r\n"
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def mina(site: Site) -> Iterator[httpx.Client]:
    site.store.save_instruments(an_instrument(number, f"NSE:S{number}", f"{number}") for number in range(1, ROWS + 1))
    with site.sign_in("mina") as client:
        client.timeout = httpx.Timeout(300)
        yield client
    for rule in site.store.rules_of("u-mina", limit=ROWS * 2):
        site.store.save_rule(rule.model_copy(update={"state": RuleState.DELETED}))


def row(number: int, percent: str = "1.5") -> str:
    return f"NSE:S{number},rolling,both,{percent},5m,every,5m\r\n"


def test_of_ten_thousand_rows_each_bad_one_is_told_and_none_is_taken(mina: httpx.Client) -> None:
    rows = [row(n, "a lot" if n % BAD_EVERY == 0 else "1.5") for n in range(1, ROWS + 1)]
    answer = mina.post("/api/rules/import", content=HEADER + "".join(rows), headers=CSV)
    problem = answer.json()
    assert answer.status_code == 422 and problem["detail"] == "Nothing was imported: 100 things are wrong in the table."
    assert [error["place"] for error in problem["errors"]] == [f"line {n + 1}, percent" for n in range(100, ROWS + 1, 100)]
    assert {error["found"] for error in problem["errors"]} == {"a lot"}
    assert {error["expected"] for error in problem["errors"]} == {"a decimal number"}
    assert mina.get("/api/rules").json() == {"items": [], "next": None}


def test_what_is_exported_is_imported_as_it_was(mina: httpx.Client, site: Site) -> None:
    table = HEADER + "".join(row(n) for n in range(1, TO_AND_FRO + 1))
    dry = mina.post("/api/rules/import?dry_run=true", content=table, headers=CSV).json()
    assert dry == {"new": TO_AND_FRO, "changed": 0, "is_dry_run": True} and site.store.count_rules("u-mina") == 0
    assert mina.post("/api/rules/import", content=table, headers=CSV).json() == dry | {"is_dry_run": False}
    exported = mina.get("/api/rules/export")
    assert exported.headers["content-type"].startswith("text/csv") and exported.text.count("\r\n") == TO_AND_FRO + 1
    before = {rule.id: rule for rule in site.store.rules_of("u-mina", limit=TO_AND_FRO)}
    again = mina.post("/api/rules/import", content=exported.content, headers=CSV).json()
    assert again == {"new": 0, "changed": 0, "is_dry_run": False}
    assert {rule.id: rule for rule in site.store.rules_of("u-mina", limit=TO_AND_FRO)} == before
    # What was deleted comes back by its row, what was changed is changed back.
    first, second, *_ = before.values()
    site.store.save_rule(first.model_copy(update={"state": RuleState.DELETED}))
    site.store.save_rule(second.model_copy(update={"percent_e2": 999}))
    back = mina.post("/api/rules/import", content=exported.content, headers=CSV).json()
    assert back == {"new": 1, "changed": 1, "is_dry_run": False}
    assert sorted(mina.get("/api/rules/export").text.splitlines()) == sorted(exported.text.splitlines())


def test_a_rule_of_somebody_else_is_not_taken_by_its_id(mina: httpx.Client, site: Site) -> None:
    with site.sign_in("asha") as asha:
        theirs = asha.post("/api/rules/line", json={"line": "NSE:S1 trailing 1%"}).json()
    table = f"id,symbol,kind,percent\r\n{theirs['id']},NSE:S1,trailing,9\r\n,NSE:S2,trailing,1\r\n"
    assert mina.post("/api/rules/import", content=table, headers=CSV).status_code == 409
    rule = site.store.rule(theirs["id"])
    assert rule and (rule.user, rule.percent_e2) == ("u-asha", 100) and site.store.count_rules("u-mina") == 0


def test_no_cell_of_a_table_is_a_formula(mina: httpx.Client, site: Site) -> None:
    site.store.save_instruments([an_instrument(77_777, "NSE:+CMD", "x")])
    table = "id,symbol,kind,percent\r\n'-evil,NSE:S1,trailing,1\r\n"
    assert mina.post("/api/rules/import", content=table, headers=CSV).json()["new"] == 1
    lines = mina.get("/api/rules/export").text.splitlines()
    assert lines[1].startswith("'-evil,NSE:S1")
    assert not [cell for line in lines for cell in line.split(",") if cell.startswith(("=", "+", "-", "@", "\t"))]
