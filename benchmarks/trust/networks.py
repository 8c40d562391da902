"""Row 9: the same spikes in every engine."""

from __future__ import annotations

from pathlib import Path

from benchmarks import random_networks
from benchmarks.trust.row import Result, Scale

STEPS = 200


def parity(folder: Path, scale: Scale) -> Result:
    """Drawn networks and graphs in NumPy, ONNX Runtime and compiled code, with int8, against PyTorch."""
    result = Result()
    spikes = fired = 0
    for graphs in (False, True):
        for seed in range(scale.of(50, 2)):
            row = random_networks.compare(seed, STEPS, numeric="int8", graphs=graphs)
            spikes += row["spikes"] * len(row["differing"])
            fired += row["fired"]
            wrong = {engine: n for engine, n in row["differing"].items() if n}
            fault = f"seed {seed}{' of graphs' * graphs}: {wrong} differ" if wrong else None
            result.count("equal" if fault is None else "differs", fault)
    result.figures = {"spikes_compared": spikes, "spikes_fired": fired}
    if not fired:
        result.broken.append("nothing fired")
    return result
