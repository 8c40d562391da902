"""Measurements of an artifact: parity, latency, memory, budgets, claims.

May import: compiler, runners, training and below.
Start reading at: `parity.py`.
Public: `parity.check`, `proof.prove`, `devices.check_on`, `devices.bench_on`,
    `latency.bench.bench`, `footprint.measure.footprint`, `compare.run.compare`,
    `claims.measure.claims`, `page.make.report`,
    `listening.listener.Listener`.
"""
