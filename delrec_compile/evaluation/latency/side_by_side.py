"""Several compiled networks timed beside PyTorch and ONNX Runtime in one run, in a child process."""

from __future__ import annotations

import os
import statistics
from typing import Any

import numpy as np

from delrec_compile.data.samples import first, fitting, read_samples
from delrec_compile.evaluation.latency.interleave import fastest, inputs, interleave
from delrec_compile.network import checkpoint
from delrec_compile.runners.session import Session
from delrec_compile.runners.torch_runner import TorchRunner

MODULE = "delrec_compile.evaluation.latency.side_by_side:measure"
BASELINES = ("torch_eager", "onnxruntime")
ROUNDS = (9, 25)  # at least, at most


def measure(network: str, artifacts: dict[str, str], samples: str, limit: int | None) -> Any:
    """In the child: microseconds per step of each artifact, under its key, and of the baselines.

    network: its file. One thread, interleaved sample by sample, medians of thread CPU time. Returns
    {"times": {key: us}, "workload": what was run}.
    """
    for variable in ("OMP_NUM_THREADS", "TVM_NUM_THREADS"):
        os.environ[variable] = "1"
    import torch

    from delrec_compile.evaluation.baselines import registry
    from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
    from delrec_compile.evaluation.baselines.ours import Ours

    torch.set_num_threads(1)
    net = checkpoint.load(network)
    events = first(fitting(read_samples(samples), net.inputs), limit)
    rounds = min(max(len(events), ROUNDS[0]), ROUNDS[1])
    x = inputs(events, 1, rounds)
    engines: dict[str, Baseline] = {key: Ours(Session(path)) for key, path in artifacts.items()}
    for name in BASELINES:
        forms = registry.baselines(name, net, Workload("step", 1, events.steps))
        engines[name], _ = fastest(forms, x)
    times = interleave(engines, x)
    spikes = TorchRunner(net).trace(np.concatenate(x, axis=1)).spikes
    workload = {
        "form": "step",
        "batch": 1,
        "steps": events.steps,
        "samples": rounds,
        "words": rounds,  # the old name, for one version
        "hidden_rate": float(np.mean([s.mean() for s in spikes])),
        "input_density": float(np.mean([(w > 0).mean() for w in x])),
    }
    return {"times": {k: statistics.median(t) for k, t in times.items()}, "workload": workload}
