"""Time per step on a GPU: many streams side by side, against PyTorch on the same device.

PyTorch's two forms are made as fast as they get without a change of the network: a whole sample is one
CUDA graph, of the eager step, and of the step through `torch.compile`. They need a PyTorch with CUDA.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events
from delrec_compile.data.samples import fitting, read_samples
from delrec_compile.errors import DeviceError, ParityError
from delrec_compile.evaluation.latency.result import Bench, BenchRow, spread
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import exact
from delrec_compile.network.model import Network
from delrec_compile.network.tolerances import EXACT, for_outputs
from delrec_compile.network.torch_step import Step
from delrec_compile.runners.gpu import GpuSession
from delrec_compile.runners.reference import ReferenceRunner
from delrec_compile.runners.torch_runner import TorchRunner

BATCHES = (1, 64, 1024)
SLICE_S = 0.02


@dataclass(frozen=True)
class TimedRun:
    """An engine, ready on one input. run: queues one sample. read: the outputs of the last one."""

    run: Callable[[], None]
    read: Callable[[], F32]


def measure(artifact: str, samples: str, rows: list[str], rounds: int) -> dict[str, Any]:
    """In the child: every engine at every batch, interleaved. rows: engines beside `ours`;
    none of them: all.

    Raises DeviceError without a GPU: the emulation's time says nothing.
    """
    session = GpuSession(artifact)
    if session.name != "gpu":
        raise DeviceError("no GPU here, so there is nothing to time; 'check' runs its emulation")
    network = checkpoint.load(Path(artifact) / "network.safetensors")
    events = fitting(read_samples(samples), network.inputs)
    # Triton fuses `beta * v` with the sum unless it is told not to
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "0")
    measured: list[BenchRow] = []
    differences: dict[str, float] = {}
    for batch in BATCHES:
        x = _batch(events, batch)
        engines = engines_for(session, network, x, torch.cuda.is_available())
        if set(rows) & set(engines) - {"ours"}:
            engines = {n: w for n, w in engines.items() if n in rows or n == "ours"}
        theirs, limit = TorchRunner(network).trace(x).y, for_outputs(exact(network))
        whole = session.artifact.integer
        own = theirs if whole is None else ReferenceRunner(whole).trace(x).y
        off = _differences(engines, theirs, own, EXACT if whole else limit)
        differences.update({f"{n}@{batch}": d for n, d in off.items()})
        measured += _rows(batch, _interleave(engines, rounds, len(x)))
    workload = {
        "form": "sequence",
        "batch": list(BATCHES),
        "steps": events.steps,
        "hidden_rate": float(np.mean([s.mean() for s in session.trace(x).spikes])),
        "input_density": float((x > 0).mean()),
        "device": session.how,
        "max_abs_difference": differences,
    }
    return Bench(tuple(measured), workload).as_dict()


def _batch(events: Events, batch: int) -> F32:
    """(T, batch, inputs): the first samples, again and again."""
    chosen = np.resize(np.arange(len(events)), batch)
    return np.ascontiguousarray(events.counts[chosen].transpose(1, 0, 2), np.float32)


def _rows(batch: int, times: dict[str, list[float]]) -> list[BenchRow]:
    """A row per engine. times: microseconds per step, a figure per round."""
    medians = {name: statistics.median(t) for name, t in times.items()}
    return [
        BenchRow(f"{name}@{batch}", median, spread(times[name]), median / medians["ours"])
        for name, median in medians.items()
    ]


def engines_for(
    session: GpuSession, network: Network, x: F32, cuda: bool, device: str = "cuda"
) -> dict[str, TimedRun]:
    """Engines on x (T, batch, inputs). cuda: whether PyTorch has the device; else ours alone."""
    host = _host(session, x)
    if not cuda:
        return {"ours": host}
    torch.backends.cudnn.allow_tf32 = False
    there = torch.from_numpy(x).to(device)
    return {
        "ours": _ours(session, there),
        "ours_host": host,
        "torch_graph": _graph(network, there, compiled=False),
        "torch_compile": _graph(network, there, compiled=True),
    }


def loop(step: Callable[..., Any], x: Tensor, state: tuple[Tensor, ...]) -> Tensor:
    """x: (T, batch, inputs). All steps of a sample, in PyTorch."""
    ys = []
    for row in x:
        y, *new = step(row, *state)
        state = tuple(new)
        ys.append(y)
    return torch.stack(ys)


def _host(session: GpuSession, x: F32) -> TimedRun:
    """Inputs and outputs in host memory, copied within each call."""
    last: list[F32] = []

    def run() -> None:
        session.restart(x.shape[1])
        last[:] = [session.run(x)]

    return TimedRun(run, lambda: last[0])


def _ours(session: GpuSession, x: Tensor) -> TimedRun:
    y = torch.empty((*x.shape[:2], session.outputs), device=x.device)

    def run() -> None:
        session.restart(x.shape[1])
        session.run_device(x.data_ptr(), len(x), y.data_ptr())

    return TimedRun(run, lambda: y.cpu().numpy())


def _module(network: Network, x: Tensor) -> tuple[Step, tuple[Tensor, ...]]:
    """The frozen network and a fresh state, where x is."""
    step = Step(network).to(x.device)
    return step, tuple(s.to(x.device) for s in step.reset(x.shape[1]))


def _graph(network: Network, x: Tensor, *, compiled: bool) -> TimedRun:
    """All steps of a sample captured once, replayed by one call."""
    step, state = _module(network, x)
    call: Callable[..., Any] = torch.compile(step) if compiled else step
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(side):
        for _ in range(3):
            loop(call, x, state)
    side.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = loop(call, x, state)
    return TimedRun(graph.replay, lambda: y.cpu().numpy())


def _differences(
    engines: dict[str, TimedRun], theirs: F32, own: F32, limit: float
) -> dict[str, float]:
    """Largest difference of each engine's outputs from its reference's.

    theirs, own: the reference of PyTorch's forms and of our own. Raises ParityError where our own
    exceed `limit`.
    """
    out = {}
    for name, engine in engines.items():
        ours = name.startswith("ours")
        engine.run()
        out[name] = float(np.abs(engine.read() - (own if ours else theirs)).max())
        if ours and not out[name] <= limit:
            raise ParityError(f"bench: {name} computes different outputs (off by {out[name]:.3g})")
    return out


def _interleave(engines: dict[str, TimedRun], rounds: int, steps: int) -> dict[str, list[float]]:
    """Microseconds per step of the whole batch, one figure per engine and round, by the wall."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(rounds):
        for name, engine in engines.items():
            engine.run()
            engine.read()
            repeats, start = 0, time.perf_counter()
            while time.perf_counter() - start < SLICE_S or repeats < 2:
                engine.run()
                repeats += 1
            engine.read()
            spent = time.perf_counter() - start
            times[name].append(spent / repeats / steps * 1e6)
    return times
