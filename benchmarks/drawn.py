"""Random networks of the whole family: any layers, recurrences, convolutions, neurons, readout.

A seed draws the shape of a network and its weights. Biases are shifted until each layer fires at a
rate of its own, so that what is compared is neither silence nor noise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.network.grid import snap
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Layer,
    Lif,
    Maps,
    Network,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.channel_conv_delay import EDGES, ChannelConvDelay
from delrec_compile.ops.lif import FIRES, RESETS
from delrec_compile.ops.registry import READOUTS, make_readout
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.runners.torch_runner import TorchRunner

Generator = np.random.Generator
HALVINGS = 9
KINDS = [kind for kind in READOUTS if kind != SynapticReadout.kind]  # of a chain; graphs draw all
CALIBRATION_STEPS = 40
MAX_NEURONS = 40


@functools.cache
def network(seed: int) -> Network:
    """The network of a seed, snapped and calibrated."""
    return snap(calibrated(*draw(seed)))


def uncalibrated(seed: int) -> Network:
    """The network of a seed, snapped, whatever its rates: made in milliseconds."""
    return snap(draw(seed)[0])


def draw(seed: int) -> tuple[Network, Generator]:
    """The network of a seed before it is calibrated, and the generator that goes on."""
    r = np.random.default_rng(seed)
    inputs, layers = int(r.integers(1, 30)), []
    come_in = inputs
    for _ in range(r.integers(1, 5)):
        layer = _layer(r, come_in)
        layers.append(layer)
        come_in = layer.size
    classes = int(r.integers(1, 12))
    weight = _normal(r, (classes, come_in)) / np.sqrt(come_in)
    kind = str(r.choice(KINDS, p=[0.6, 0.2, 0.2]))
    beta = READOUTS[kind].fixed_beta
    if beta is None:
        beta = float(r.choice([0, 1, r.random()], p=[0.2, 0.1, 0.7]))
    readout = make_readout(kind, weight, _normal(r, classes) * 0.1, beta)
    most = int(r.choice([1, 2, 31, 255]))
    return Network(tuple(layers), readout, max_input=most, name=f"drawn_{seed}"), r


def counts(network: Network, steps: int, batch: int, seed: int) -> F32:
    """Inputs (T, batch, inputs), with silences."""
    r = np.random.default_rng(seed)
    if network.real_input is not None:
        x = r.uniform(-1.1, 1.1, (steps, batch, network.inputs)) * network.max_input
        x[10:14], x[20:24], x[30::3, :, ::2] = 0, x[20:21], 0
        return x.astype(np.float32)
    mean = 0.4 if network.max_input <= 2 else 2.0
    x = np.minimum(r.poisson(mean, (steps, batch, network.inputs)), network.max_input)
    x[steps // 3 : steps // 3 + 4] = 0
    return x.astype(np.float32)


def calibrated(network: Network, r: Generator) -> Network:
    """The network with each layer's biases shifted by one number, to a drawn rate of spikes."""
    x = counts(network, CALIBRATION_STEPS, 2, seed=99)
    for i in range(len(network.layers)):
        rate, low, high = r.uniform(0.05, 0.3), -16.0, 16.0
        for _ in range(HALVINGS):
            tried = _shifted(network, i, (low + high) / 2)
            fired = TorchRunner(tried).trace(x).spikes[i][5:].mean()
            low, high = (low, (low + high) / 2) if fired > rate else ((low + high) / 2, high)
        network = _shifted(network, i, (low + high) / 2)
    return network


def _shifted(network: Network, i: int, by: float) -> Network:
    layers = list(network.layers)
    layers[i] = replace(layers[i], bias=layers[i].bias + np.float32(by))
    return replace(network, layers=tuple(layers))


def _layer(r: Generator, inputs: int) -> Layer:
    maps = _maps(r, inputs) if r.random() < 0.3 else None
    n = int(r.integers(1, MAX_NEURONS)) if maps is None else maps.size
    shape = (n, inputs) if maps is None else maps.kernel
    weight = _normal(r, shape) / np.sqrt(np.prod(shape[1:]))
    recurs = r.random() < 0.75
    recurrence = RECURRENCES[r.integers(len(RECURRENCES))](r, n) if recurs else None
    return Layer(weight, _normal(r, shape[0]) * 0.2, _lif(r, n), recurrence, maps)


def _lif(r: Generator, n: int) -> Lif:
    """Each constant for the layer, or for each neuron."""

    def number(low: float, high: float, *corners: float) -> Any:
        if corners and r.random() < 0.3:
            return float(r.choice(corners))
        return r.uniform(low, high, n if r.random() < 0.25 else None)

    return Lif(
        number(0, 1, 0, 1),
        number(0.5, 1.5, 1),
        number(-0.3, 0.3, 0),
        number(0.2, 1.3, 1),
        str(r.choice(FIRES)),
        str(r.choice(RESETS)),
    )


def _divided(r: Generator, n: int) -> tuple[int, int]:
    """Two factors of n."""
    first = int(r.choice([k for k in range(1, n + 1) if n % k == 0]))
    return first, n // first


def _maps(r: Generator, inputs: int) -> Maps | None:
    """A convolution over the inputs, of one axis or two; None where its output would be large."""
    channels, places = _divided(r, inputs)
    height, width = (1, places) if r.random() < 0.4 else _divided(r, places)
    groups = int(r.choice([k for k in (1, 2, channels) if channels % k == 0]))
    outputs = groups * int(r.integers(1, 4))
    sizes: list[tuple[int, int, int]] = []
    for extent in (height, width):
        taps = int(r.integers(1, 6))
        pad = int(r.integers(0, taps))
        if extent + 2 * pad < taps:
            taps, pad = 1, 0
        sizes.append((taps, int(r.integers(1, 4)), pad))
    (rows, down, top), (columns, right, left) = sizes
    kernel = (outputs, channels // groups, rows, columns)
    maps = Maps(channels, height, width, kernel, (down, right), (top, left), groups)
    return maps if maps.size <= 3 * MAX_NEURONS else None


def _normal(r: Generator, shape: int | tuple[int, ...]) -> F32:
    return r.normal(size=shape).astype(np.float32)


def _delays(r: Generator, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return r.integers(0, int(r.choice([1, 4, 33, 70])), shape, dtype=np.int32)


def _conv(r: Generator, n: int) -> Synapses:
    heads, taps = int(r.integers(1, 4)), int(r.choice([1, 3, 5, 9]))
    return ConvDelay(_normal(r, (heads, taps)) * 0.5, _delays(r, (heads, n)))


def _dense(r: Generator, n: int) -> Synapses:
    return DenseDelay(_normal(r, (n, n)) / np.sqrt(n), _delays(r, (n,)))


def _synaptic(r: Generator, n: int) -> Synapses:
    return SynapticDelay(_normal(r, (n, n)) / np.sqrt(n), _delays(r, (n, n)))


def _tap_conv(r: Generator, n: int) -> Synapses:
    channels, width = _divided(r, n)
    count, taps = int(r.integers(1, 6)), int(r.choice([1, 3, 5]))
    delays = r.choice(40, count, replace=False).astype(np.int32)
    return TapConvDelay(_normal(r, (count, channels, taps)) * 0.4, delays, width)


def _conv2d(r: Generator, n: int) -> Synapses:
    channels, places = _divided(r, n)
    height, width = _divided(r, places)
    depth, taps = int(r.integers(1, 5)), int(r.choice([1, 3]))
    kernel = _normal(r, (depth, channels, channels, taps, taps))
    return Conv2dDelay(kernel / taps / np.sqrt(channels * depth), height, width)


def _channel_conv(r: Generator, n: int) -> Synapses:
    channels, places = _divided(r, n)
    height, width = _divided(r, places)
    sizes = [1 if extent == 1 else int(r.choice([1, 3, 5])) for extent in (height, width)]
    kernel = _normal(r, (channels, channels, *sizes)) / np.sqrt(channels * np.prod(sizes))
    spread, edges = (int(r.integers(1, 3)), int(r.integers(1, 3))), str(r.choice(EDGES))
    return ChannelConvDelay(kernel, _delays(r, (n,)), height, dilation=spread, edges=edges)


RECURRENCES: tuple[Callable[[Generator, int], Synapses], ...] = (
    _conv,
    _dense,
    _synaptic,
    _tap_conv,
    _conv2d,
    _channel_conv,
)
