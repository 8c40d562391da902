"""How much faster `train --sweep` is with several workers: the same sweep with one and with all.

    python -m benchmarks.sweep [--workers 2] [--runs 4] [--epochs 100] [--rounds 3]

The sweeps take turns. Samples are random. The time is that of the whole command, with the start of its
workers; the networks are compared. A worker takes a core: other work on the machine is measured too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.system.host import machine

SCHEMA = "delrec.sweep-benchmark/1"
COMMAND = (sys.executable, "-m", "delrec_compile", "train")
STEPS, CHANNELS, CLASSES = 80, 140, 10


def write_data(folder: Path, samples: int) -> None:
    """Sets of random counts, some 5 % of them not 0, with random labels."""
    rng = np.random.default_rng(0)
    for name, count in (("train", samples), ("valid", samples // 8), ("test", samples // 8)):
        counts = rng.poisson(0.05, (count, STEPS, CHANNELS)).astype(np.uint8)
        labels = np.arange(count) % CLASSES
        np.savez_compressed(folder / f"random_{name}.npz", counts=counts, labels=labels)


def timed(folder: Path, out: Path, workers: int) -> tuple[float, float, list[str]]:
    """Seconds of a sweep into a new folder, CPU seconds of its processes, digests of its networks."""
    line = [*COMMAND, str(folder), "--sweep", str(folder / "sweep.toml"), "-o", str(out)]
    started, before = time.monotonic(), _cpu_seconds()
    told = subprocess.run(
        [*line, "--workers", str(workers), "--json"], stdout=subprocess.PIPE, check=True, text=True
    )
    seconds, cpu = time.monotonic() - started, _cpu_seconds() - before
    return seconds, cpu, [run["network_sha256"] for run in json.loads(told.stdout)["runs"]]


def _cpu_seconds() -> float:
    """Those of the children that have ended, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sweep", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--samples", type=int, default=800)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Prints JSON; exit code 6 where the networks differ."""
    options = _options(argv)
    rows: list[dict[str, Any]] = []
    networks = set()
    with tempfile.TemporaryDirectory(prefix="delrec-") as name:
        folder = Path(name)
        write_data(folder, options.samples)
        seeds = list(range(options.runs))
        text = f"hidden = 64\nepochs = {options.epochs}\n[sweep]\nseed = {seeds}\n"
        (folder / "sweep.toml").write_text(text)
        for turn in range(options.rounds):
            for workers in (1, options.workers)[:: 1 if turn % 2 else -1]:
                seconds, cpu, digests = timed(folder, folder / f"{turn}-{workers}", workers)
                networks.add(tuple(digests))
                row = {"workers": workers, "seconds": round(seconds, 1)}
                rows.append({**row, "cpu_seconds": round(cpu, 1)})
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    one, all_ = (
        statistics.median(row["seconds"] for row in rows if row["workers"] == count)
        for count in (1, options.workers)
    )
    told = {
        "schema": SCHEMA,
        "machine": machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "same_networks": len(networks) == 1,
    }
    print(json.dumps({**told, "sweeps": rows, "times_as_fast": round(one / all_, 2)}, indent=1))
    return 0 if len(networks) == 1 else 6


if __name__ == "__main__":
    sys.exit(main())
