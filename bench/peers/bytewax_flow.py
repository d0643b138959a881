"""The in-memory peer as the keyed state of a Bytewax dataflow, in a process of its own: python -m bench.peers.bytewax_flow.

Fairness: ticks come from a list in memory, 500 a batch; one worker, no recovery store; the rules are laid out beforehand.

Reads {"rules": [...], "stretches": [[tick, ...], ...]} as JSON on stdin, writes {"seconds": [...], "alerts": [...]} on stdout.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from bench.peers.memory import PeerInstrument
from bench.peers.records import PeerAlert, PeerRule, PeerTick

TICKS_A_BATCH = 500


def run(rules: Iterable[PeerRule], stretches: Sequence[Sequence[PeerTick]]) -> tuple[list[float], list[PeerAlert]]:
    """Seconds that each stretch took, and all alerts; those of one batch are grouped by instrument."""
    by_token: dict[int, list[PeerRule]] = {}
    for rule in rules:
        by_token.setdefault(rule.token, []).append(rule)
    instruments = {token: PeerInstrument(own) for token, own in by_token.items()}
    passed_s: list[float] = []

    def source() -> Iterator[PeerTick]:
        for stretch in stretches:
            passed_s.append(time.perf_counter())
            yield from stretch

    def take(state: PeerInstrument | None, tick: PeerTick) -> tuple[PeerInstrument, Iterable[PeerAlert]]:
        state = state or instruments[tick.token]
        return state, state.take(tick.price_e4, tick.time_ms)

    alerts: list[tuple[str, PeerAlert]] = []
    flow = Dataflow("alerts")
    ticks = op.input("ticks", flow, TestingSource(source(), TICKS_A_BATCH))
    keyed = op.key_on("instrument", ticks, lambda tick: str(tick.token))
    op.output("alerts", op.stateful_flat_map("rules", keyed, take), TestingSink(alerts))
    run_main(flow)
    passed_s.append(time.perf_counter())
    return [after - before for before, after in itertools.pairwise(passed_s)], [alert for _, alert in alerts]


def main() -> None:
    task = json.load(sys.stdin)
    stretches = [[PeerTick(*tick) for tick in stretch] for stretch in task["stretches"]]
    seconds, alerts = run((PeerRule(*rule) for rule in task["rules"]), stretches)
    json.dump({"seconds": seconds, "alerts": alerts}, sys.stdout)


if __name__ == "__main__":
    main()
