"""Networks and inputs of a chosen size and spike rate. Their weights are random: only cost counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.data.events import Events
from delrec_compile.network.grid import snap
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Lif, Network
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.runners.torch_runner import TorchRunner

DENSITY = 0.20  # of the inputs, active in a step
BETA = 1 - 1 / 1.05
HALVINGS = 14


@dataclass(frozen=True)
class Size:
    """inputs -> neurons -> neurons with recurrence -> outputs.

    delays: shortest and longest, uniform between. rate: share of hidden neurons that spike per step.
    """

    neurons: int = 256
    delays: tuple[int, int] = (10, 30)
    taps: int = 3
    rate: float = 0.05
    recurrence: str = "conv"
    inputs: int = 140
    outputs: int = 20


def random_network(size: Size, seed: int = 0) -> Network:
    """A network of random weights on the exact grid, whose hidden layers fire at `rate`."""
    return snap(calibrate(uncalibrated(size, seed), size.rate))


def uncalibrated(size: Size, seed: int = 0) -> Network:
    """The same before its biases are shifted and its weights are rounded."""
    r = np.random.default_rng(seed)
    n = size.neurons

    def weights(shape: tuple[int, ...], scale: float) -> F32:
        return (r.standard_normal(shape) * scale).astype(np.float32)

    first = Layer(
        weights((n, size.inputs), np.sqrt(2 / size.inputs)), weights((n,), 0.05), Lif(BETA)
    )
    delay = np.rint(r.uniform(*size.delays, n)).astype(np.int32)
    back: ConvDelay | DenseDelay
    if size.recurrence == "conv":
        back = ConvDelay(weights((size.taps,), 0.3), delay)
    else:
        back = DenseDelay(np.linalg.qr(weights((n, n), 1.0))[0].astype(np.float32), delay)
    second = Layer(weights((n, n), np.sqrt(6 / n)), weights((n,), 0.05), Lif(BETA), back)
    readout = LeakyReadout(
        weights((size.outputs, n), np.sqrt(2 / n)), weights((size.outputs,), 0.05), BETA
    )
    name = f"{size.recurrence}_{n}_d{size.delays[1]}_k{size.taps}_r{round(size.rate * 100)}"
    return Network((first, second), readout, name=name)


def calibrate(network: Network, rate: float) -> Network:
    """The network with each layer's biases shifted by one number, so that it fires at `rate`."""
    start = network.max_delay + 1  # before it, no recurrent spike has arrived
    counts = poisson_samples(16, start + 40, network.inputs, seed=99).counts
    x = np.ascontiguousarray(counts.transpose(1, 0, 2), np.float32)
    for i, layer in enumerate(network.layers):
        low, high = -20.0, 20.0
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            bias = layer.bias + np.float32(middle)
            layers = list(network.layers)
            layers[i] = replace(layer, bias=bias)
            network = replace(network, layers=tuple(layers))
            fired = TorchRunner(network).trace(x).spikes[i][start:].mean()
            low, high = (low, middle) if fired > rate else (middle, high)
    return network


def poisson_samples(samples: int, steps: int, inputs: int, seed: int = 5) -> Events:
    """Samples of random counts, of which `DENSITY` are not zero."""
    r = np.random.default_rng(seed)
    drawn: Any = r.poisson(-np.log(1 - DENSITY), (samples, steps, inputs))
    return Events(drawn.astype(np.uint8), np.zeros(samples, np.int64), None, None, 10.0)
