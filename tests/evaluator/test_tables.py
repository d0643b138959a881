from pathlib import Path

import pytest

from evaluator.tables import BadRows, read_market, read_rules
from stormalert.errors import InputError
from stormalert.model import Kind

RULES = "id,symbol,kind,direction,percent,window,repeat,cooldown,armed_at\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "file.csv"
    path.write_text(text)
    return path


def test_ticks_keep_their_order_and_exact_price(tmp_path: Path) -> None:
    market = read_market(write(tmp_path, "time,symbol,price\n2000,INFY,1384.55\n1000,TCS,0.0525\n2000,INFY,1384.5\n"))
    assert market.symbols == ("INFY", "TCS")
    assert [(tick.token, tick.time_ms, tick.price_e4) for tick in market.ticks] == [
        (1, 2000, 13_845_500),
        (2, 1000, 525),
        (1, 2000, 13_845_000),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,INFY,100", "time must be epoch milliseconds, was 'x'"),
        ("-5,INFY,100", "time must be epoch milliseconds, was '-5'"),
        ("1000,,100", "symbol is empty"),
        ("1000,INFY,0", "price must be above 0"),
        ("1000,INFY,-3", "price must be above 0"),
        ("1000,INFY,1.00001", "price must be a number with at most 4 decimals, was '1.00001'"),
        ("1000,INFY,abc", "price must be a decimal number, was 'abc'"),
        ("1000,INFY", "a row has 3 columns, this one has 2"),
        ("1000,INFY,100,7", "a row has 3 columns, this one has 4"),
    ],
)
def test_a_bad_tick_row_is_refused_with_file_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path, f"time,symbol,price\n1000,INFY,100\n{row}\n")
    with pytest.raises(BadRows) as caught:
        read_market(path)
    assert str(caught.value).startswith(f"{path}:3: {reason}")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",INFY,rolling,up,2,60s,every,,", "id is empty"),
        ("a,INFY,level,up,2,60s,every,,", "kind must be rolling or trailing, was 'level'"),
        ("a,INFY,rolling,left,2,60s,every,,", "direction must be up, down or both, was 'left'"),
        ("a,INFY,rolling,up,2,60s,twice,,", "repeat must be once or every, was 'twice'"),
        ("a,INFY,rolling,up,2,60s,every,soon,", "cooldown must be a whole number and a unit"),
        ("a,INFY,rolling,up,2,60s,every,,noon", "armed_at must be epoch milliseconds, was 'noon'"),
        ("ok,INFY,rolling,up,2,60s,every,,", "id 'ok' stands in an earlier row"),
    ],
)
def test_a_bad_rule_row_is_refused_with_file_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    path = write(tmp_path, f"{RULES}ok,INFY,rolling,up,2,60s,every,,\n{row}\n")
    with pytest.raises(BadRows) as caught:
        read_rules(path, ["INFY"])
    assert str(caught.value).startswith(f"{path}:3: {reason}")


def test_every_bad_row_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadRows) as caught:
        read_market(write(tmp_path, "time,symbol,price\nx,INFY,1\n1,INFY,1\n2,INFY,zero\n"))
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["2", "4"]


def test_a_wrong_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="header must be time,symbol,price, was 'time,price'"):
        read_market(write(tmp_path, "time,price\n1,2\n"))


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_market(tmp_path / "absent.csv")


def test_the_default_cooldown_is_the_window_or_a_minute(tmp_path: Path) -> None:
    book = read_rules(
        write(
            tmp_path,
            f"{RULES}r,INFY,rolling,up,2,5m,every,,\nt,TCS,trailing,down,2,,once,,\nz,TCS,trailing,down,2,,once,0s,7\n",
        ),
        ["INFY"],
    )
    assert [(rule.cooldown_ms, rule.armed_at_ms) for rule in book.values()] == [(300_000, 0), (60_000, 0), (0, 7)]
    assert [rule.kind for rule in book.values()] == [Kind.ROLLING, Kind.TRAILING, Kind.TRAILING]


def test_rules_are_numbered_in_the_order_of_their_ids(tmp_path: Path) -> None:
    rows = "".join(f"{name},INFY,trailing,up,1,,every,,\n" for name in ("b", "a", "10", "9"))
    book = read_rules(write(tmp_path, RULES + rows), ["INFY"])
    assert sorted(book, key=lambda name: book[name].id) == sorted(book)
