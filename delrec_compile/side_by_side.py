"""Several compiled networks timed beside PyTorch and ONNX Runtime in one run, in a child process."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile import checkpoint
from delrec_compile.bench import interleave
from delrec_compile.run import TorchRunner, first, fitting, read_words
from delrec_compile.session import Session

F32 = NDArray[np.float32]
MODULE = "delrec_compile.side_by_side:measure"
ROUNDS = (9, 25)  # at least, at most


class Native:
    """A compiled network in its loop over time; every word lies ready in the library's own dtype."""

    def __init__(self, session: Session, words: list[F32]) -> None:
        self.session = session
        self.own = {id(w): np.ascontiguousarray(w, session.x.dtype) for w in words}

    def word(self, x: F32) -> F32:
        self.session.reset()
        return self.session.run(self.own[id(x)])


def measure(network: str, artifacts: dict[str, str], words: str, limit: int | None) -> Any:
    """In the child: microseconds per step of each artifact, under its key, and of the peers.

    network: its file. One thread, interleaved word by word, medians of thread CPU time. Returns
    {"times": {key: us}, "workload": what was run}.
    """
    for variable in ("OMP_NUM_THREADS", "TVM_NUM_THREADS"):
        os.environ[variable] = "1"
    import torch

    from delrec_compile import peers

    torch.set_num_threads(1)
    net = checkpoint.load(network)
    events = first(fitting(read_words(words), net.inputs), limit)
    rounds = min(max(len(events), ROUNDS[0]), ROUNDS[1])
    x = [np.ascontiguousarray(events.counts[i % len(events)], np.float32) for i in range(rounds)]
    engines: dict[str, Callable[[F32], Any]] = {
        key: Native(Session(path), x).word for key, path in artifacts.items()
    }
    engines["torch_eager"] = peers.TorchEager(net).word
    engines["onnxruntime"] = peers.OnnxRuntime(net).word
    times = interleave(engines, x)
    spikes = TorchRunner(net).trace(np.stack(x, axis=1)).spikes
    workload = {
        "form": "step",
        "batch": 1,
        "steps": events.steps,
        "words": rounds,
        "hidden_rate": float(np.mean([s.mean() for s in spikes])),
        "input_density": float(np.mean([(w > 0).mean() for w in x])),
    }
    return {"times": {k: statistics.median(t) for k, t in times.items()}, "workload": workload}
