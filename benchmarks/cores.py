"""A batch on one core and on all of them, wall-clock time.

    python -m benchmarks.cores

256 streams of the bundled `conv_delay_256`, whole samples. Ours shares its streams among threads
(`Session(streams=256, threads=n)`); each baseline is opened once per core, on its share of
the streams, in a thread of its own, in its fastest form for that number. Interleaved, medians. Then ours
alone, run after run, with what it reads in the caches of its cores.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import delrec_compile
from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.data.samples import read_samples
from delrec_compile.evaluation.baselines.baseline import Workload
from delrec_compile.evaluation.latency.interleave import inputs, select_engines
from delrec_compile.network.model import Network
from delrec_compile.runners.session import Session

BASELINES = ("torch_eager", "onnxruntime_sequence")
STREAMS, ROUNDS = 256, 15


def ours(artifact: Artifact, x: F32, threads: int) -> Callable[[], None]:
    """One run of x (T, streams, inputs) from a fresh state."""
    session = Session(artifact, streams=x.shape[1], threads=threads)
    samples = np.ascontiguousarray(x.swapaxes(0, 1), session.x.dtype)
    y = np.empty((*samples.shape[:2], session.y.shape[-1]), np.float32)

    def run() -> None:
        session.reset()
        session.run_in_place(samples, y)

    return run


def shared(
    name: str, artifact: Artifact, network: Network, x: F32, cores: int
) -> Callable[[], None]:
    """The same of a baseline, proven on each share."""
    engines = []
    for part in np.array_split(x, cores, axis=1):
        share = np.ascontiguousarray(part)
        work = Workload("batch", share.shape[1], len(share))
        selected, _, skipped = select_engines([name], artifact, network, work, [share])
        if name not in selected:
            raise SystemExit(f"{name}: {skipped[name]}")
        selected[name].take(share)
        engines.append(selected[name])
    if cores == 1:
        return engines[0].run
    pool = ThreadPoolExecutor(cores)

    def run() -> None:
        for done in [pool.submit(engine.run) for engine in engines]:
            done.result()

    return run


def times(engines: dict[str, Callable[[], None]], steps: int, rounds: int) -> dict[str, float]:
    """Microseconds of wall-clock time per step of all streams, medians."""
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for run in engines.values():
        run()
    for _ in range(rounds):
        for name, run in engines.items():
            start = time.perf_counter_ns()
            run()
            spent[name].append((time.perf_counter_ns() - start) / steps / 1e3)
    return {name: statistics.median(t) for name, t in spent.items()}


def main(streams: int = STREAMS, rounds: int = ROUNDS) -> dict[int, dict[str, float]]:
    """By the number of cores."""
    import torch

    torch.set_num_threads(1)
    network = delrec_compile.load("conv_delay_256")
    x = inputs(read_samples("samples"), streams, 1)[0]
    medians = {}
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        artifact = delrec_compile.build(network, out=Path(folder) / "out")
        for cores in sorted({1, os.cpu_count() or 1}):
            engines = {"ours": ours(artifact, x, cores)}
            engines |= {name: shared(name, artifact, network, x, cores) for name in BASELINES}
            medians[cores] = times(engines, len(x), rounds)
            alone = times({"ours": engines["ours"]}, len(x), rounds)
            medians[cores]["ours, alone"] = alone["ours"]
    for cores, row in medians.items():
        text = ", ".join(f"{n} {us:.1f} us ({us / row['ours']:.1f}x)" for n, us in row.items())
        print(f"{cores} core(s), {streams} streams, wall clock per step: {text}")
    return medians


if __name__ == "__main__":
    main()
