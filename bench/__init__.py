"""Benchmarks. Ratios are taken in one run on one machine; counts of server commands do not depend on the machine at all."""
