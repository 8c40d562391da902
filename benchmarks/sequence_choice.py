"""Where hoisting over time pays: the kernel of sequences against the kernel of steps.

    python -m benchmarks.sequence_choice

For each input density and length, the time of a sequence over the time of its steps. A library takes
sequences from 4 steps on; the worst choice of the grid is printed at the end.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np

import delrec_compile
from delrec_compile.artifact.abi import HOISTED_FROM
from delrec_compile.runners.session import Session

DENSITIES = (0.02, 0.1, 0.2, 0.4, 0.6)
LENGTHS = (1, 2, 3, 4, 6, 8, 16, 32, 100)
STEPS, ROUNDS = 800, 9


def sessions(folder: Path, numeric: str) -> tuple[Session, Session]:
    """The bundled network with steps alone, and with sequences of any length."""
    profile = (resources.files("delrec_compile.targets") / "x86_64.toml").read_text()
    steps = "\n".join(line for line in profile.splitlines() if not line.startswith("chunk"))
    (folder / "steps.toml").write_text(steps + "\n")
    made = []
    for target in (str(folder / "steps.toml"), "x86_64"):
        network = delrec_compile.load("conv_delay_256")
        out = folder / f"{Path(target).stem}_{numeric}"
        made.append(Session(delrec_compile.build(network, target, out, numeric=numeric)))
    return made[0], made[1]


def ratio(pair: tuple[Session, Session], density: float, length: int) -> float:
    """Time with sequences allowed over time without, median of the rounds."""
    rng = np.random.default_rng(length)
    samples = rng.poisson(-np.log(1 - density), (STEPS // length, length, 140)).astype(np.float32)
    y = np.empty((length, 20), np.float32)
    ratios = []
    for _ in range(ROUNDS):
        times = []
        for session in pair:
            start = time.thread_time_ns()
            for sample in samples:
                session.run_in_place(sample, y)
            times.append(time.thread_time_ns() - start)
        ratios.append(times[1] / times[0])
    return statistics.median(ratios)


def main() -> float:
    worst = 0.0
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        for numeric in ("float32", "int8"):
            pair = sessions(Path(folder), numeric)
            print(f"{numeric:8s} steps " + "".join(f"{n:7d}" for n in LENGTHS))
            for density in DENSITIES:
                row = [ratio(pair, density, n) for n in LENGTHS]
                worst = max(worst, *row)
                print(f"{density:8.0%} dense " + "".join(f"{r:7.2f}" for r in row))
    print(
        f"worst choice: {worst:.2f}x the time of the other one (sequences from {HOISTED_FROM} on)"
    )
    return worst


if __name__ == "__main__":
    main()
