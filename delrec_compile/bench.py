"""Latency per step against peers: one process, one thread, interleaved, medians of thread CPU time.

Ratios are what counts. The machine's load moves every row of a run alike; absolute times do not
compare between machines or runs.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile import checkpoint, child, targets
from delrec_compile.build import load_artifact
from delrec_compile.data.events import Events
from delrec_compile.errors import ParityError, UnsupportedError, UsageError
from delrec_compile.run import ReferenceRunner, fitting, read_words
from delrec_compile.session import Session

NAMES = (
    "ours",
    "ours_python",
    "ours_int8",
    "torch_eager",
    "authors_dense",
    "authors_conv",
    "onnxruntime",
    "tvm_default",
)
QUICK = ("ours", "ours_python", "torch_eager", "onnxruntime")
SLICE_S = 0.004
CLOSE = 1e-3  # of float32 outputs
MODULE = "delrec_compile.bench:measure"
GPU_MODULE = "delrec_compile.bench_gpu:measure"


@dataclass(frozen=True)
class Row:
    """ratio_to_ours: how many times longer a step takes here than in the compiled native loop."""

    name: str
    us_per_step: float
    spread: float
    ratio_to_ours: float


@dataclass(frozen=True)
class Bench:
    """rows in the order asked for; workload: what was run."""

    rows: tuple[Row, ...]
    workload: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"rows": [asdict(r) for r in self.rows], "workload": self.workload}


def bench(
    artifact: Path | str,
    words: str = "words",
    *,
    rows: tuple[str, ...] = NAMES,
    rounds: int = 25,
) -> Bench:
    """Times the artifact's network in every named engine, in a child process.

    rows: names out of NAMES; `ours` is always measured. rounds: words run, one per round. Raises
    UnsupportedError for code of another machine.
    """
    for name in rows:
        if name not in NAMES:
            raise UsageError(f"unknown peer '{name}'; allowed: {', '.join(NAMES)}")
    if rounds < 1:
        raise UsageError(f"rounds is {rounds}; at least 1 is needed")
    chosen = tuple(n for n in NAMES if n in rows or n == "ours")
    raw = child.call(
        _module(artifact),
        artifact=str(artifact),
        words=str(words),
        rows=list(chosen),
        rounds=rounds,
    )
    return Bench(tuple(Row(**r) for r in raw["rows"]), raw["workload"])


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


def measure(artifact: str, words: str, rows: list[str], rounds: int) -> dict[str, Any]:
    """In the child: builds the peers, proves that they agree, times them."""
    for variable in ("OMP_NUM_THREADS", "TVM_NUM_THREADS"):
        os.environ[variable] = "1"
    import torch

    torch.set_num_threads(1)
    session = Session(artifact)
    network = checkpoint.load(Path(artifact) / "network.safetensors")
    events = fitting(read_words(words), network.inputs)
    peers = {name: _peer(name, session, network) for name in rows}
    x = [np.ascontiguousarray(c, np.float32) for c in events.counts[:rounds]]
    _agree(peers, x[0], network)
    times = interleave({name: p.word for name, p in peers.items()}, x)
    ours = statistics.median(times["ours"])
    made = [
        Row(name, m, _spread(t), m / ours)
        for name, t in times.items()
        for m in [statistics.median(t)]
    ]
    return Bench(tuple(made), _workload(session, events, rounds)).as_dict()


def _peer(name: str, session: Session, network: Any) -> Any:
    from delrec_compile import peers

    made: dict[str, Callable[[], Any]] = {
        "ours": lambda: peers.Ours(session),
        "ours_python": lambda: peers.OursPython(session),
        "ours_int8": lambda: peers.OursInt8(session, network),
        "torch_eager": lambda: peers.TorchEager(network),
        "authors_dense": lambda: peers.Authors(peers.twin(network, "dense_delay"), name),
        "authors_conv": lambda: peers.Authors(peers.twin(network, "conv_delay"), name),
        "onnxruntime": lambda: peers.OnnxRuntime(network),
        "tvm_default": lambda: peers.TvmDefault(network),
    }
    return made[name]()


def _agree(peers: dict[str, Any], x: NDArray[np.float32], network: Any) -> None:
    """Refuses to time an engine whose outputs differ.

    A twin is compared with its own reference, an integer form with the integer one, bit for bit.
    """
    from delrec_compile.peers import TorchEager

    for name, peer in peers.items():
        whole = getattr(peer, "whole", None)
        if whole is not None:
            same, limit = ReferenceRunner(whole).trace(x[:, None]).y[:, 0], 0.0
        else:
            same, limit = TorchEager(getattr(peer, "network", network)).word(x), CLOSE
        worst = float(np.abs(peer.word(x) - same).max())
        if not worst <= limit:
            raise ParityError(f"bench: {name} computes other outputs (off by {worst:.3g})")


def interleave(
    words: dict[str, Callable[[NDArray[np.float32]], Any]], x: list[NDArray[np.float32]]
) -> dict[str, list[float]]:
    """Microseconds per step, one figure per engine and word."""
    times: dict[str, list[float]] = {name: [] for name in words}
    for word in x:
        for name, run in words.items():
            run(word)
            repeats, spent = 0, 0
            while spent < SLICE_S * 1e9:
                start = time.thread_time_ns()
                run(word)
                spent += time.thread_time_ns() - start
                repeats += 1
            times[name].append(spent / repeats / len(word) / 1e3)
    return times


def _spread(times: list[float]) -> float:
    """Interquartile range over the median."""
    if len(times) < 2:
        return 0.0
    quarter = statistics.quantiles(times, n=4)
    return (quarter[2] - quarter[0]) / quarter[1]


def _workload(session: Session, events: Events, rounds: int) -> dict[str, Any]:
    x = events.counts[:rounds].astype(np.float32)
    spikes = session.trace(np.ascontiguousarray(x.transpose(1, 0, 2))).spikes
    rate = float(np.mean([s.mean() for s in spikes]))
    return {
        "form": "step",
        "batch": 1,
        "steps": events.steps,
        "hidden_rate": rate,
        "input_density": float((x > 0).mean()),
    }
