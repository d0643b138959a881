"""How much is measured: in full for docs/BENCHMARKS.md, and quickly to see that everything runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    scale_rules: tuple[int, ...]
    stretches: int
    stretch_ticks: int
    lively_ticks: int
    memory_rules: int
    session_ticks: int
    peer_rules_an_instrument: tuple[int, ...]
    peer_check_ticks: int
    peer_ticks: int
    # A slow peer takes fewer ticks: so many (tick, rule) pairs at most.
    naive_pairs: int
    script_pairs: int
    latency_rules: int
    latency_s: int
    decoder_packets: int
    ingest_rates: tuple[int, ...]
    ingest_s: int
    sandbox_instruments: int
    # Packets a second that the stand-in exchange is asked for, one run each.
    sandbox_rates: tuple[int, ...]
    sandbox_s: float
    delivery_workers: int
    delivery_alerts_a_second: int
    delivery_s: int
    delivery_burst: int
    # So many chats get one message each.
    delivery_limited: int
    phone_runs: int
    phone_s: int
    # Packets a second of the quiet market beside what is printed.
    phone_market: int
    pixels_instruments: int
    pixels_rate: int
    pixels_prints: int
    pixels_prints_a_second: int
    pages_rules: int
    pages_alerts: int
    pages_openings: int
    relay_listeners: tuple[int, ...]
    relay_s: float
    backup_rules: tuple[int, ...]
    # Tries to install a peer that is no requirement of the product.
    installs: bool


FULL = Sizes(
    scale_rules=(1_000, 100_000, 1_000_000),
    stretches=5,
    stretch_ticks=100_000,
    lively_ticks=50_000,
    memory_rules=1_000_000,
    session_ticks=45_000,
    peer_rules_an_instrument=(2, 10, 200, 2_000),
    peer_check_ticks=200,
    peer_ticks=100_000,
    naive_pairs=10_000_000,
    script_pairs=600_000,
    latency_rules=100_000,
    latency_s=10,
    decoder_packets=20_000,
    ingest_rates=(2_000, 18_000),
    ingest_s=30,
    sandbox_instruments=9_000,
    sandbox_rates=(10_000, 40_000, 100_000),
    sandbox_s=10.0,
    delivery_workers=2,
    delivery_alerts_a_second=50,
    delivery_s=20,
    delivery_burst=1_000,
    delivery_limited=600,
    phone_runs=3,
    phone_s=40,
    phone_market=1_000,
    pixels_instruments=500,
    pixels_rate=1_000,
    pixels_prints=400,
    pixels_prints_a_second=10,
    pages_rules=100_000,
    pages_alerts=1_000_000,
    pages_openings=10,
    relay_listeners=(100, 1_000),
    relay_s=10.0,
    backup_rules=(10_000, 100_000, 1_000_000),
    installs=True,
)

QUICK = Sizes(
    scale_rules=(500, 1_000),
    stretches=3,
    stretch_ticks=1_000,
    lively_ticks=1_000,
    memory_rules=1_000,
    session_ticks=1_000,
    peer_rules_an_instrument=(2,),
    peer_check_ticks=300,
    peer_ticks=1_000,
    naive_pairs=2_000,
    script_pairs=1_000,
    latency_rules=1_000,
    latency_s=1,
    decoder_packets=1_000,
    ingest_rates=(300,),
    ingest_s=2,
    sandbox_instruments=30,
    sandbox_rates=(300,),
    sandbox_s=1.0,
    delivery_workers=1,
    delivery_alerts_a_second=10,
    delivery_s=2,
    delivery_burst=20,
    delivery_limited=40,
    phone_runs=1,
    phone_s=2,
    phone_market=300,
    pixels_instruments=20,
    pixels_rate=50,
    pixels_prints=10,
    pixels_prints_a_second=5,
    pages_rules=100,
    pages_alerts=100,
    pages_openings=1,
    relay_listeners=(5,),
    relay_s=1.0,
    backup_rules=(1_000,),
    installs=False,
)
