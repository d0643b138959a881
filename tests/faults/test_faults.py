"""One thing broken at a time while a market whose alerts are known is played: nothing is lost, and what is told is noted.

`make test` injects the short ones of the catalogue, `make faults` all of them, and writes docs/reliability.md.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.catalogue import FAULTS, SHORT
from tests.faults.fault_run import FaultRun, fault_run, inject
from tests.faults.ledger import LedgerRow, draw_up
from tests.faults.reliability import document

pytestmark = pytest.mark.e2e

IS_FULL = "ALL_FAULTS" in os.environ
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "build" / "faults.json"
DOCUMENT = ROOT / "docs" / "reliability.md"
# A channel that works goes on as ever while another does not; asked where the machine is the run's own.
OTHERS_WITHIN_MS = 10_000


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultRun]:
    with fault_run(tmp_path_factory.mktemp("faults")) as started:
        yield started


@pytest.mark.parametrize("name", FAULTS if IS_FULL else SHORT)
def test_alerts_go_on_after(run: FaultRun, name: str) -> None:
    fault = FAULTS[name]
    inject(run, name, fault.breaks(run), fault.lasts_s if IS_FULL else SHORT[name])


def test_at_the_end_nothing_was_lost(run: FaultRun) -> None:
    rows = draw_up(run)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([row.as_json() for row in rows], indent=1, ensure_ascii=False))
    if IS_FULL:
        DOCUMENT.write_text(document(rows))
    assert rows
    assert [f"{row.fault}: {line}" for row in rows for line in row.lost] == []
    # A provider that is late on a busy machine gets a message again, which says nothing of the fault.
    if IS_FULL:
        assert [f"{row.fault}: {row.twice}" for row in rows if row.twice > FAULTS[row.fault].twice_at_most] == []
        assert [late for row in rows for late in held_up(row)] == []


def held_up(row: LedgerRow) -> list[str]:
    """Channels that waited for the one that was broken."""
    broken = FAULTS[row.fault].channel
    if broken is None:
        return []
    return [f"{row.fault}: {kind} {ms} ms" for kind, ms in row.worst_ms.items() if kind != broken and ms > OTHERS_WITHIN_MS]
