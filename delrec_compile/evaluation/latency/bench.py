"""Latency per step against baselines: one process, one thread, interleaved, medians of thread CPU time.

Ratios are what counts. The machine's load moves every row of a run alike; absolute times do not
compare between machines or runs.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.data.samples import fitting, read_samples
from delrec_compile.errors import (
    UnsupportedError,
    UsageError,
    did_you_mean,
)
from delrec_compile.evaluation.baselines.baseline import FORMS, Workload
from delrec_compile.evaluation.baselines.registry import ENGINES, GPU_ROWS
from delrec_compile.evaluation.latency.interleave import (
    DISTINCT,
    inputs,
    interleave,
    select_engines,
)
from delrec_compile.evaluation.latency.result import Bench, BenchRow, bench_from_dict, spread
from delrec_compile.network import checkpoint
from delrec_compile.network.inputs import AUTO, Source, stored
from delrec_compile.network.model import Network
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import child
from delrec_compile.system.renamed import renamed_arguments

STREAMS = 256  # of form `batch`, when none are asked for
ROUNDS = {"step": 25, "sequence": 25, "batch": 5}
NAMES = tuple(ENGINES)
QUICK = ("ours", "ours_python", "torch_eager", "onnxruntime")
TIMEOUT_S = 3600.0
GPU_SHARE = (
    0.75  # of the time limit, after which a GPU's engines are skipped: the rest is to end in
)
MODULE = "delrec_compile.evaluation.latency.bench:measure"
GPU_MODULE = "delrec_compile.evaluation.latency.gpu:measure"
# read by libraries when they are loaded
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "TVM")} | {
    "TORCHINDUCTOR_COMPILE_THREADS": "1"
}


@renamed_arguments(words="samples")
def bench(
    artifact: Path | str,
    samples: Source = AUTO,
    *,
    rows: tuple[str, ...] | None = None,
    rounds: int | None = None,
    form: str = "step",
    batch: int | None = None,
    limit_s: float | None = None,
) -> Bench:
    """Times the artifact's network in every named engine, in a child process.

    samples: see `read_inputs`. rows: names out of NAMES, by default all that the form has; `ours` is
    always measured. rounds: times that each is measured. form: `step`, one call per step;
    `sequence`, whole samples at once; `batch`, whole samples of `batch` streams at once. limit_s:
    seconds within which it ends; on a GPU, what they leave no time for is skipped by name. Raises
    UnsupportedError for code of another machine, CompilerCrash where the time is over.
    """
    module = _module(artifact)
    chosen = names_for(form, rows, on_gpu=module == GPU_MODULE)
    batch = streams(form, batch)
    rounds = ROUNDS[form] if rounds is None else rounds
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; at least 1 is required")
    limit = TIMEOUT_S if limit_s is None else limit_s
    gpu = {"seconds": GPU_SHARE * limit}
    more: dict[str, Any] = gpu if module == GPU_MODULE else {"form": form, "batch": batch}
    network = checkpoint.load(Path(artifact) / "network.safetensors")
    with stored(network, samples) as spec:
        raw = child.call(
            module,
            timeout_s=limit,
            environment=ONE_THREAD,
            artifact=str(artifact),
            samples=spec,
            rows=list(chosen),
            rounds=rounds,
            **more,
        )
    return bench_from_dict(raw)


def names_for(form: str, rows: tuple[str, ...] | None, on_gpu: bool = False) -> tuple[str, ...]:
    """The engines to time, in the order of NAMES.

    on_gpu: of an artifact for a GPU, whose engines are GPU_ROWS; others are left out. Raises UsageError.
    """
    if form not in FORMS:
        raise UsageError(f"unknown form '{form}'; allowed: {', '.join(FORMS)}")
    known = tuple(dict.fromkeys((*GPU_ROWS, *NAMES))) if on_gpu else NAMES
    for name in rows or ():
        if name not in known:
            hint, own = did_you_mean(name, known), GPU_ROWS if on_gpu else NAMES
            raise UsageError(f"unknown engine '{name}'{hint}; allowed: {', '.join(own)}")
    if on_gpu:
        return tuple(n for n in GPU_ROWS if rows is None or n in rows or n == "ours")
    allowed = [n for n, engine in ENGINES.items() if form in engine.forms]
    for name in rows or ():
        if name not in allowed:
            raise UsageError(
                f"'{name}' has no form '{form}'; it has: {', '.join(ENGINES[name].forms)} (--form)"
            )
    return tuple(n for n in allowed if rows is None or n in rows or n == "ours")


def streams(form: str, batch: int | None) -> int:
    """Streams of the workload. Raises UsageError."""
    if form != "batch":
        if batch not in (None, 1):
            raise UsageError(f"form '{form}' is one stream, batch is {batch}; add --form batch")
        return 1
    if batch is not None and batch < 2:
        raise UsageError(f"batch is {batch}; form 'batch' needs at least 2 streams")
    return STREAMS if batch is None else batch


def runs_on_gpu(artifact: Path | str) -> bool:
    """Whether an artifact is timed on a GPU. Raises UnsupportedError for code of another machine."""
    return _module(artifact) == GPU_MODULE


def _module(artifact: Path | str) -> str:
    m = load_artifact(artifact).manifest
    if m.is_gpu:
        return GPU_MODULE
    if not m.runs_here:
        raise UnsupportedError(
            f"{artifact} is built for {m.machine}, and only code of this machine can be timed; "
            "'delrec-compile compare' counts its instructions"
        )
    return MODULE


def measure(
    artifact: str, samples: str, rows: list[str], rounds: int, form: str, batch: int
) -> dict[str, Any]:
    """In the child: builds the baselines, proves that they agree, times them."""
    import torch

    torch.set_num_threads(1)
    built = load_artifact(artifact)
    network = checkpoint.load(built.path / "network.safetensors")
    events = fitting(read_samples(samples), network.inputs)
    work = Workload(form, batch, events.steps)
    x = inputs(events, batch, max(rounds, DISTINCT))
    engines, variants, skipped = select_engines(rows, built, network, work, x)
    times = interleave(engines, x, rounds)
    medians = {name: statistics.median(t) for name, t in times.items()}
    measured = [
        BenchRow(
            name,
            median,
            spread(times[name]),
            median / medians["ours"],
            engines[name].form,
            variants[name],
        )
        for name, median in medians.items()
    ]
    return Bench(tuple(measured), _workload(network, work, x[:rounds]), skipped).as_dict()


def _workload(network: Network, work: Workload, x: list[F32]) -> dict[str, Any]:
    every = x[0] if work.batch > 1 else np.concatenate(x, axis=1)
    spikes = TorchRunner(network).trace(every).spikes
    return {
        "form": work.form,
        "batch": work.batch,
        "steps": work.steps,
        "hidden_rate": float(np.mean([s.mean() for s in spikes])),
        "input_density": float((every > 0).mean()),
    }
