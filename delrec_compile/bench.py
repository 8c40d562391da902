"""Latency per step against peers: one process, one thread, interleaved, medians of thread CPU time.

Ratios are what counts. The machine's load moves every row of a run alike; absolute times do not
compare between machines or runs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile import checkpoint, child, targets
from delrec_compile.build import Artifact, load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import (
    ParityError,
    ToolchainError,
    UnsupportedError,
    UsageError,
    did_you_mean,
)
from delrec_compile.freeze import exact
from delrec_compile.network import Network
from delrec_compile.run import ReferenceRunner, TorchRunner, fitting, read_words

if TYPE_CHECKING:
    from delrec_compile.peers.peer import Peer, Workload

F32 = NDArray[np.float32]
Wanted = dict[int, tuple[Any, F32]]  # by the id of a network, which is kept with its outputs
FORMS = ("step", "sequence", "batch")
STREAMS = 256  # of form `batch`, when none are asked for
ROUNDS = {"step": 25, "sequence": 25, "batch": 5}
NAMES = (
    "ours",
    "ours_python",
    "ours_int8",
    "torch_eager",
    "torch_compile",
    "aot_inductor",
    "authors_dense",
    "authors_conv",
    "numpy",
    "onnxruntime",
    "onnxruntime_sequence",
    "tvm_default",
    "spikingjelly",
    "snntorch",
)
ONLY = {"ours_python": ("step",), "onnxruntime_sequence": ("sequence", "batch")}
QUICK = ("ours", "ours_python", "torch_eager", "onnxruntime")
SLICE_NS = 4_000_000
LONG_NS = 50_000_000  # a run this long needs none before it that warms the caches
PILOT = 3  # words on which the forms of an engine are compared
CLOSE = 1e-3  # of float32 outputs
DIFFERING = 0.02  # of a batch: streams in which another order of a sum may flip a spike
TIMEOUT_S = 3600.0
MODULE = "delrec_compile.bench:measure"
GPU_MODULE = "delrec_compile.bench_gpu:measure"
# read by libraries when they are loaded
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "TVM")} | {
    "TORCHINDUCTOR_COMPILE_THREADS": "1"
}


@dataclass(frozen=True)
class Row:
    """ratio_to_ours: how many times longer a step takes here than in the compiled native loop.

    us_per_step: of all streams of a batch together. form: the engine's fastest form; forms: what
    each of its forms took in a short comparison.
    """

    name: str
    us_per_step: float
    spread: float
    ratio_to_ours: float
    form: str = ""
    forms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """rows in the order of NAMES; workload: what was run; skipped: name -> why, and what mends it."""

    rows: tuple[Row, ...]
    workload: dict[str, Any]
    skipped: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        empty = {"us_per_step": None, "spread": None, "ratio_to_ours": None}
        measured = [{**asdict(r), "skipped": None} for r in self.rows]
        missing = [{"name": n, **empty, "skipped": why} for n, why in self.skipped.items()]
        return {"rows": [*measured, *missing], "workload": self.workload}


def bench(
    artifact: Path | str,
    words: str = "words",
    *,
    rows: tuple[str, ...] | None = None,
    rounds: int | None = None,
    form: str = "step",
    batch: int | None = None,
) -> Bench:
    """Times the artifact's network in every named engine, in a child process.

    rows: names out of NAMES, by default all that the form has; `ours` is always measured. rounds:
    times that each is measured. form: `step`, one call per step; `sequence`, whole words at once;
    `batch`, whole words of `batch` streams at once. Raises UnsupportedError for code of another
    machine.
    """
    chosen = names_for(form, rows)
    batch = streams(form, batch)
    rounds = ROUNDS[form] if rounds is None else rounds
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; at least 1 is needed")
    module = _module(artifact)
    more = {} if module == GPU_MODULE else {"form": form, "batch": batch}
    raw = child.call(
        module,
        timeout_s=TIMEOUT_S,
        environment=ONE_THREAD,
        artifact=str(artifact),
        words=str(words),
        rows=[] if module == GPU_MODULE and rows is None else list(chosen),
        rounds=rounds,
        **more,
    )
    return parsed(raw)


def parsed(raw: dict[str, Any]) -> Bench:
    """A `Bench` from what its `as_dict` gave."""
    skipped = {r["name"]: r["skipped"] for r in raw["rows"] if r.get("skipped")}
    keys = Row.__dataclass_fields__
    made = [Row(**{k: v for k, v in r.items() if k in keys}) for r in raw["rows"]]
    return Bench(tuple(r for r in made if r.name not in skipped), raw["workload"], skipped)


def names_for(form: str, rows: tuple[str, ...] | None) -> tuple[str, ...]:
    """The engines to time, in the order of NAMES. Raises UsageError."""
    if form not in FORMS:
        raise UsageError(f"unknown form '{form}'; allowed: {', '.join(FORMS)}")
    allowed = [n for n in NAMES if form in ONLY.get(n, FORMS)]
    for name in rows or ():
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            raise UsageError(f"unknown engine '{name}'{hint}; allowed: {', '.join(NAMES)}")
        if name not in allowed:
            raise UsageError(
                f"'{name}' has no form '{form}'; it has: {', '.join(ONLY[name])} (--form)"
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


def _module(artifact: Path | str) -> str:
    m = load_artifact(artifact).manifest
    if m.get("form") == "cuda":
        return GPU_MODULE
    if not targets.is_here(m["machine"]):
        raise UnsupportedError(
            f"{artifact} is built for {m['machine']}, and only code of this machine can be timed; "
            "'delrec-compile compare' counts its instructions"
        )
    return MODULE


def measure(
    artifact: str, words: str, rows: list[str], rounds: int, form: str, batch: int
) -> dict[str, Any]:
    """In the child: builds the peers, proves that they agree, times them."""
    import torch

    from delrec_compile.peers.peer import Workload

    torch.set_num_threads(1)
    built = load_artifact(artifact)
    network = checkpoint.load(built.path / "network.safetensors")
    events = fitting(read_words(words), network.inputs)
    work = Workload(form, batch, events.steps)
    x = inputs(events, batch, rounds)
    engines, forms, skipped = _engines(rows, built, network, work, x)
    times = interleave(engines, x)
    ours = statistics.median(times["ours"])
    made = [
        Row(name, m, _spread(t), m / ours, engines[name].form, forms[name])
        for name, t in times.items()
        for m in [statistics.median(t)]
    ]
    return Bench(tuple(made), _workload(network, work, x), skipped).as_dict()


def inputs(events: Events, batch: int, rounds: int) -> list[F32]:
    """One array (T, batch, inputs) per round: a word each, or the same batch every time."""

    def words(first: int) -> F32:
        at = np.arange(first, first + batch) % len(events)
        return np.ascontiguousarray(events.counts[at].transpose(1, 0, 2), np.float32)

    return [words(0)] * rounds if batch > 1 else [words(i) for i in range(rounds)]


def _engines(
    rows: list[str], artifact: Artifact, network: Network, work: Workload, x: list[F32]
) -> tuple[dict[str, Peer], dict[str, dict[str, float]], dict[str, str]]:
    """Each engine in its fastest form that agrees, what its forms took, and what is left out."""
    from delrec_compile import peers

    engines: dict[str, Peer] = {}
    forms: dict[str, dict[str, float]] = {}
    skipped: dict[str, str] = {}
    wanted: Wanted = {}
    for name in rows:
        try:
            made = peers.make(name, artifact, network, work)
            agreeing = [p for p in made if _agrees(p, x[0], network, wanted)]
        except (UnsupportedError, ToolchainError) as error:
            skipped[name] = str(error)
            continue
        if not agreeing:
            skipped[name] = "rounding flips spikes here, so its outputs differ: not timed"
            continue
        engines[name], forms[name] = fastest(agreeing, x)
    return engines, forms, skipped


def _agrees(peer: Peer, x: F32, network: Network, wanted: Wanted) -> bool:
    """Whether the engine computes what it must; wanted: outputs known by now, by network.

    A twin is compared with its own reference, an integer form with the integer one, bit for bit.
    Raises ParityError when it is our own engine that does not.
    """
    same = peer.whole or peer.network or network
    if id(same) not in wanted:
        runner = ReferenceRunner(peer.whole) if peer.whole else TorchRunner(peer.network or network)
        wanted[id(same)] = same, runner.trace(x).y
    off = np.abs(peer.outputs(x) - wanted[id(same)][1]).max(axis=(0, 2))
    if not peer.name.startswith("ours"):
        return bool((~(off <= CLOSE)).sum() <= DIFFERING * len(off))
    limit = 0.0 if peer.whole or exact(network) else CLOSE
    if not (off <= limit).all():
        raise ParityError(f"bench: {peer.name} computes other outputs (off by {off.max():.3g})")
    return True


def fastest(forms: list[Peer], x: list[F32]) -> tuple[Peer, dict[str, float]]:
    """The fastest of an engine's forms, and microseconds per step of each."""
    if len(forms) == 1:
        return forms[0], {}
    few = x[:1] if x[0] is x[-1] else x[:PILOT]
    times = interleave({p.form: p for p in forms}, few)
    took = {form: statistics.median(t) for form, t in times.items()}
    return min(forms, key=lambda p: took[p.form]), took


def interleave(engines: Mapping[str, Peer], x: list[F32]) -> dict[str, list[float]]:
    """Microseconds per step, one figure per engine and array of x (T, batch, inputs)."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    before: F32 | None = None
    for word in x:
        for name, engine in engines.items():
            if word is not before:
                engine.take(word)
            spent, repeats = _timed(engine), 1
            if spent < LONG_NS:
                spent, repeats = 0, 0
                while spent < SLICE_NS:
                    spent += _timed(engine)
                    repeats += 1
            times[name].append(spent / repeats / len(word) / 1e3)
        before = word
    return times


def _timed(engine: Peer) -> int:
    start = time.thread_time_ns()
    engine.run()
    return time.thread_time_ns() - start


def _spread(times: list[float]) -> float:
    """Interquartile range over the median."""
    if len(times) < 2:
        return 0.0
    quarter = statistics.quantiles(times, n=4)
    return (quarter[2] - quarter[0]) / quarter[1]


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
