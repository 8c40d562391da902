"""What a neuron model costs: the same network with each model, over its cost with `lif`.

    python -m benchmarks.neuron_models

140 inputs, two layers of 256 neurons, the second with conv_delay, 20 outputs; every layer fires at 5 %.
x86_64: time per step on one thread, interleaved, median of the ratios. cortex_m4: instructions per
step in the emulator.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.networks import BETA, Size, calibrate, poisson_samples, uncalibrated
from delrec_compile.aliases import F32
from delrec_compile.compiler.build import build
from delrec_compile.evaluation.baselines.ours import Ours
from delrec_compile.evaluation.latency.bench import ONE_THREAD
from delrec_compile.evaluation.latency.interleave import interleave
from delrec_compile.network.grid import snap
from delrec_compile.network.model import Lif, Network, Neuron
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.alpha import Alpha
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.loihi import Loihi
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.session import Session

SIZE = Size()
ROUNDS, STEPS, EMULATED = 25, 100, 60
MODELS: dict[str, Neuron] = {
    "lif": Lif(BETA),
    "cuba_lif": CubaLif(0.5, BETA),
    "cuba_lif, gains": CubaLif(0.5, BETA, gain=0.5, gain_i=0.5),
    "cuba_lif, soft_later": CubaLif(0.5, BETA, fires="above", reset="soft_later"),
    "alpha": Alpha(0.5, 0.25, 2.0),
    "alif": Alif(BETA, 0.9, 0.1),
    "alif, refractory": Alif(BETA, 0.9, 0.1, refractory=1),
    "adlif": Adlif(BETA, 0.9, 0.1, 0.1),
    "loihi": Loihi(2048, round(4096 * (1 - BETA))),
    "lif, refractory": Lif(BETA, refractory=1),
}


def network(neuron: Neuron) -> Network:
    """The network of a model; it fires at the rate of `SIZE`."""
    base = uncalibrated(SIZE)
    layers = tuple(replace(layer, neuron=neuron) for layer in base.layers)
    return snap(calibrate(replace(base, layers=layers), SIZE.rate))


def times(networks: dict[str, Network], folder: Path) -> dict[str, float]:
    """Time per step over that of the first, compiled for x86_64."""
    engines = {
        name: Ours(Session(build(net, "x86_64", folder / f"x86_{k}")))
        for k, (name, net) in enumerate(networks.items())
    }
    counts = poisson_samples(ROUNDS, STEPS, SIZE.inputs).counts
    x = [np.ascontiguousarray(sample[:, None], np.float32) for sample in counts]
    measured = interleave(engines, x)
    first = next(iter(measured.values()))
    return {
        name: statistics.median(a / b for a, b in zip(own, first, strict=True))
        for name, own in measured.items()
    }


def instructions(net: Network, out: Path) -> float:
    """Instructions per step on the emulated Cortex-M4F."""
    runner = EmulatedRunner(build(net, "cortex_m4", out))
    x: F32 = poisson_samples(1, EMULATED, SIZE.inputs).counts.transpose(1, 0, 2).astype(np.float32)
    runner.outputs_of(x)
    return float(np.mean(runner.instructions))


def main() -> int:
    """Prints the table; returns the exit code."""
    os.environ.update(ONE_THREAD)
    networks = {name: network(neuron) for name, neuron in MODELS.items()}
    with tempfile.TemporaryDirectory(prefix="delrec-") as folder:
        ratios = times(networks, Path(folder))
        counts = {
            name: instructions(net, Path(folder) / f"m4_{k}")
            for k, (name, net) in enumerate(networks.items())
        }
    print(f"{'model':22s} {'x86_64':>8s} {'cortex_m4':>10s} {'instructions':>13s}")
    for name in MODELS:
        share = counts[name] / counts["lif"]
        print(f"{name:22s} {ratios[name]:7.2f}x {share:9.2f}x {counts[name]:13,.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
