"""Time per step on a GPU: many streams side by side, against PyTorch on the same device.

PyTorch's forms are the eager step, and, as fast as they get without a change of the network, a whole
sample as one CUDA graph, of the eager step and of the step through `torch.compile`. They need a PyTorch
with CUDA.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
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
from delrec_compile.evaluation.baselines.registry import GPU_ROWS
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
COMPILE_S = 60.0  # that `torch.compile` may take for the first of its forms
FEWEST = 3  # rounds that a time limit leaves
TIME_IS_OVER = "left out: the time limit is reached"


@dataclass(frozen=True)
class TimedRun:
    """An engine, ready on one input. run: queues one sample. read: the outputs of the last one."""

    run: Callable[[], None]
    read: Callable[[], F32]


def measure(
    artifact: str, samples: str, rows: list[str], rounds: int, seconds: float | None = None
) -> dict[str, Any]:
    """In the child: every engine at every batch, interleaved. rows: engines beside `ours`;
    none of GPU_ROWS: all. seconds: after which no more engines are made, and no more rounds begun.

    Raises DeviceError without a GPU: the emulation's time says nothing.
    """
    end = math.inf if seconds is None else time.monotonic() + seconds
    session = GpuSession(artifact)
    if session.name != "gpu":
        raise DeviceError("no GPU here, so there is nothing to time; 'check' runs its emulation")
    network = checkpoint.load(Path(artifact) / "network.safetensors")
    events = fitting(read_samples(samples), network.inputs)
    # Triton fuses `beta * v` with the sum unless it is told not to
    os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "0")
    wanted = [n for n in GPU_ROWS[1:] if n in rows] or GPU_ROWS[1:]
    measured: list[BenchRow] = []
    differences: dict[str, float] = {}
    skipped: dict[str, str] = {}
    x = _batch(events, BATCHES[0])
    for batch in BATCHES:
        if time.monotonic() > end:
            skipped |= {f"{n}@{batch}": TIME_IS_OVER for n in (GPU_ROWS[0], *wanted)}
            continue
        x = _batch(events, batch)
        engines, missing = engines_for(session, network, x, wanted, end)
        skipped |= {f"{n}@{batch}": why for n, why in missing.items()}
        theirs, own, limit = _references(session, network, x)
        off = _differences(engines, theirs, own, limit)
        differences |= {f"{n}@{batch}": d for n, d in off.items()}
        measured += _rows(batch, _interleave(engines, rounds, len(x), end))
    workload = {
        "form": "sequence",
        "batch": list(BATCHES),
        "steps": events.steps,
        "hidden_rate": float(np.mean([s.mean() for s in session.trace(x).spikes])),
        "input_density": float((x > 0).mean()),
        "device": session.how,
        "max_abs_difference": differences,
    }
    return Bench(tuple(measured), workload, skipped).as_dict()


def _references(session: GpuSession, network: Network, x: F32) -> tuple[F32, F32, float]:
    """Outputs of PyTorch and of our own reference, and what our own may be off by."""
    theirs, whole = TorchRunner(network).trace(x).y, session.artifact.integer
    if whole is None:
        return theirs, theirs, for_outputs(exact(network))
    return theirs, ReferenceRunner(whole).trace(x).y, EXACT


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
    session: GpuSession,
    network: Network,
    x: F32,
    wanted: Sequence[str],
    end: float = math.inf,
    device: str = "cuda",
) -> tuple[dict[str, TimedRun], dict[str, str]]:
    """Engines on x (T, batch, inputs): `ours`, and of those wanted what can be made; why not others.

    end: by `time.monotonic`, until when they are made. device: PyTorch's name of the one of the session.
    """
    if device == "cuda" and not torch.cuda.is_available():
        why = f"PyTorch {torch.__version__} finds no CUDA here"
        return {GPU_ROWS[0]: _host(session, x)}, {n: why for n in wanted if n.startswith("torch")}
    torch.backends.cudnn.allow_tf32 = False
    there = torch.from_numpy(x).to(device)
    makers: dict[str, Callable[[], TimedRun]] = {
        "ours": lambda: _ours(session, there),
        "ours_host": lambda: _host(session, x),
        "torch_eager": lambda: _eager(network, there),
        "torch_graph": lambda: _graph(network, there, compiled=False),
        "torch_compile": lambda: _graph(network, there, compiled=True),
    }
    engines, missing = {GPU_ROWS[0]: makers[GPU_ROWS[0]]()}, {}
    for name in wanted:
        if time.monotonic() > end - (COMPILE_S if name == "torch_compile" else 0):
            missing[name] = TIME_IS_OVER
            continue
        try:
            engines[name] = makers[name]()
        except (
            Exception
        ) as error:  # a compiler that PyTorch lacks, or memory: ours is timed all the same
            missing[name] = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return engines, missing


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


def _eager(network: Network, x: Tensor) -> TimedRun:
    """All steps of a sample, operator by operator."""
    step, state = _module(network, x)
    last: list[Tensor] = []

    def run() -> None:
        with torch.inference_mode():
            last[:] = [loop(step, x, state)]

    return TimedRun(run, lambda: last[0].cpu().numpy())


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


def _interleave(
    engines: dict[str, TimedRun], rounds: int, steps: int, end: float = math.inf
) -> dict[str, list[float]]:
    """Microseconds per step of the whole batch, one figure per engine and round, by the wall.

    end: by `time.monotonic`, after which no round begins but the first FEWEST.
    """
    times: dict[str, list[float]] = {name: [] for name in engines}
    repeats = {name: max(2, int(SLICE_S / _spent(engine, 1))) for name, engine in engines.items()}
    for done in range(rounds):
        if done >= FEWEST and time.monotonic() > end:
            break
        for name, engine in engines.items():
            engine.run()
            engine.read()
            times[name].append(_spent(engine, repeats[name]) / repeats[name] / steps * 1e6)
    return times


def _spent(engine: TimedRun, repeats: int) -> float:
    """Seconds of so many runs. Runs are queued: only what is read has been computed."""
    start = time.perf_counter()
    for _ in range(repeats):
        engine.run()
    engine.read()
    return time.perf_counter() - start
