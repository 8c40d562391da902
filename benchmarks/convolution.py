"""A convolutional network of the size of DVS Gesture, beside ONNX Runtime.

    python -m benchmarks.convolution [--rate 0.05] [--input-rate 0.02]

2 x 128 x 128 inputs; convolutions of 3 x 3 with a stride of 2 to 16, 32, 64 and 64 channels; 11 outputs.
Each step of one stream is a call of its own, on one thread: of the compiled network in float32 and
int8, of its portable C text compiled by the C compiler of this machine, and of the exported step in ONNX
Runtime. They take turns; a ratio is the median of those to ONNX Runtime.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawn_graphs import calibrated
from delrec_compile.aliases import F32
from delrec_compile.compiler.build import build
from delrec_compile.evaluation.baselines.baseline import Baseline, Workload
from delrec_compile.evaluation.baselines.onnx_step import OnnxExported
from delrec_compile.evaluation.baselines.ours import OursStep
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.evaluation.latency.interleave import interleave
from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Convolution,
    Dense,
    LeakyReadout,
    Lif,
    Network,
    Population,
    Projection,
)
from delrec_compile.ops.maps import Maps
from delrec_compile.runners.session import Session

SIDE, CHANNELS, CLASSES = 128, (2, 16, 32, 64, 64), 11
ROUNDS, STEPS, CALIBRATION = 15, 20, 24
FORMS = {
    "x86_64": ("x86_64", "float32"),
    "x86_64 int8": ("x86_64", "int8"),
    "portable_c": ("portable_c", "float32"),
    "portable_c int8": ("portable_c", "int8"),
}
ONNX = "onnxruntime"


def network(rate: float, input_rate: float) -> Network:
    """The network; its neurons and inputs are active at these rates."""
    populations = list(_populations())
    made = Network.of(populations, max_input=1, name="gesture")
    x = counts(input_rate, CALIBRATION)[:, None]
    return snap(calibrated(made, x, np.full(len(populations) - 1, rate)))


def counts(rate: float, steps: int, seed: int = 1) -> F32:
    """Inputs (steps, 32768), 0 or 1."""
    r = np.random.default_rng(seed)
    return (r.random((steps, CHANNELS[0] * SIDE**2)) < rate).astype(np.float32)


def _populations() -> Iterator[Population]:
    r, side, source = np.random.default_rng(0), SIDE, "x"
    for k, (channels, outputs) in enumerate(pairwise(CHANNELS)):
        shape = (outputs, channels, 3, 3)
        maps = Maps(channels, side, side, shape, (2, 2), (1, 1))
        kernel = (r.normal(size=shape) / np.sqrt(9 * channels)).astype(np.float32)
        feed = Projection(source, Convolution(kernel, maps))
        source, side = f"conv{k}", maps.out[1]
        yield Population(source, Lif(0.9), (feed,), np.zeros(outputs, np.float32))
    weight = (r.normal(size=(CLASSES, CHANNELS[-1] * side**2)) / side).astype(np.float32)
    readout = LeakyReadout.in_graph(np.zeros(CLASSES, np.float32), beta=0.95)
    yield Population("out", readout, (Projection(source, Dense(weight)),))


def measured(net: Network, x: list[F32]) -> dict[str, Any]:
    """Times and ratios by name, and seconds that builds took. x: inputs (steps, 32768), a round each."""
    seconds: dict[str, float] = {}
    engines: dict[str, Baseline] = {}
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        for name, (target, numeric) in FORMS.items():
            begun = time.perf_counter()
            artifact = build(net, target, Path(folder) / name.replace(" ", "_"), numeric=numeric)
            seconds[name] = round(time.perf_counter() - begun, 1)
            engines[name] = OursStep(Session(artifact), name)
        engines[ONNX] = OnnxExported(net, Workload("step", 1, len(x[0])))
        times = interleave(engines, [each[:, None] for each in x])
        same = all(
            _equal(engines[name], engines[ONNX], x[0][:, None])
            for name in FORMS
            if "int8" not in name
        )
    reference = np.array(times[ONNX])
    rows = [
        {
            "name": name,
            "us_per_step": round(float(np.median(own)), 1),
            "ratio_to_onnxruntime": round(float(np.median(reference / np.array(own))), 2),
        }
        for name, own in times.items()
    ]
    return {"rows": rows, "build_seconds": seconds, "float32_equals_onnxruntime": same}


def _equal(a: Baseline, b: Baseline, x: F32) -> bool:
    return bool(np.array_equal(a.outputs(x), b.outputs(x)))


def main(argv: list[str] | None = None) -> int:
    """Prints JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.convolution")
    parser.add_argument("--rate", type=float, default=0.05, help="share of neurons that fire")
    parser.add_argument("--input-rate", type=float, default=0.02, help="share of active inputs")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args(argv)
    os.environ.update(ONE_THREAD)
    net = network(options.rate, options.input_rate)
    x = [counts(options.input_rate, STEPS, seed) for seed in range(1, options.rounds + 1)]
    rates = {"rate": options.rate, "input_rate": options.input_rate}
    print(json.dumps({**rates, **measured(net, x)}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
