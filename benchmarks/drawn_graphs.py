"""Random graphs: populations of any neurons, joined along their order and in cycles by any maps.

Projections skip populations, share their weights, and delay spikes and inputs. A seed draws the graph;
biases are shifted until each population fires at a rate of its own.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import drawn_parts as parts
from benchmarks.drawn import CALIBRATION_STEPS, HALVINGS, counts
from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.network.grid import snap
from delrec_compile.network.model import INPUT, Network, Population, Projection
from delrec_compile.ops.cuba_lif_onnx import ENTERS
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.registry import READOUTS
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.runners.torch_runner import TorchRunner

Generator = np.random.Generator
SIZES = (1, 5, 6, 8, 12, 16, 18, 24, 33)
REAL = 3  # of so many graphs one takes real inputs
SHARED = 0.2  # share of the maps that are one that there is already, where one fits
# (sources, size) -> maps that were drawn
Drawn = dict[tuple[int, int], list[Synapses | Feed]]


@functools.cache
def graph(seed: int) -> Network:
    """The network of a seed, snapped and calibrated."""
    made, r = draw(seed)
    x = counts(made, CALIBRATION_STEPS, 2, seed=99)
    return _snapped(calibrated(made, x, r.uniform(0.05, 0.3, len(made.spiking))))


def uncalibrated(seed: int) -> Network:
    """The graph of a seed, snapped, whatever its rates: made in milliseconds."""
    return _snapped(draw(seed)[0])


def _snapped(network: Network) -> Network:
    bits = network.input_bits
    return snap(network) if bits is None else _with_fewer_bits(network, bits)


def draw(seed: int) -> tuple[Network, Generator]:
    """The network of a seed before it is calibrated, and the generator that goes on."""
    r = np.random.default_rng([seed, 1])
    names = [f"p{k}" for k in range(r.integers(1, 6))]
    sizes = {INPUT: int(r.integers(1, 30))} | {name: int(r.choice(SIZES)) for name in names}
    drawn: Drawn = {}
    populations = []
    for k, name in enumerate(names):
        projections = _projections(r, sizes, names, k, drawn)
        bias = parts.normal(r, sizes[name]) * 0.2
        populations.append(Population(name, parts.neuron(r, sizes[name]), projections, bias))
    populations += _readouts(r, sizes, names, drawn)
    inputs: dict[str, Any] = {"max_input": int(r.choice([1, 2, 31, 255]))}
    if seed % REAL == REAL - 1:
        own = np.random.default_rng([seed, 2])
        inputs = {"max_input": int(own.integers(1, 5)), "input_bits": int(own.integers(2, 9))}
    return Network.of(populations, name=f"graph_{seed}", **inputs), r


def _with_fewer_bits(network: Network, bits: int) -> Network:
    """The network on its grid, with as many bits of its inputs as leave weights enough."""
    try:
        return snap(replace(network, input_bits=bits))
    except NetworkError:
        return _with_fewer_bits(network, bits - 1)


def _projections(
    r: Generator, sizes: dict[str, int], names: list[str], k: int, drawn: Drawn
) -> tuple[Projection, ...]:
    """One or two from what comes before, the first population's from the input; some in cycles."""
    before, after = [INPUT, *names[:k]], names[k:]
    first = INPUT if k == 0 else before[-1] if r.random() < 0.6 else str(r.choice(before))
    sources = [first] + [str(r.choice(before)) for _ in range(r.integers(0, 2))]
    cycles = [str(r.choice(after)) for _ in range(r.integers(0, 3))]
    size = sizes[names[k]]
    along = [Projection(s, _map(r, sizes[s], size, drawn)) for s in sources]
    back = [Projection(s, parts.synapses(r, sizes[s], size)) for s in cycles]
    return (*along, *back)


def _map(r: Generator, sources: int, size: int, drawn: Drawn) -> Synapses | Feed:
    known = drawn.setdefault((sources, size), [])
    if known and r.random() < SHARED:
        return known[r.integers(len(known))]
    known.append((parts.feed if r.random() < 0.5 else parts.synapses)(r, sources, size))
    return known[-1]


def _readouts(
    r: Generator, sizes: dict[str, int], names: list[str], drawn: Drawn
) -> list[Population]:
    """One or two, the first from the last population."""
    out = []
    for name, source in (("out", names[-1]), ("out1", str(r.choice([INPUT, *names]))))[
        : 1 + (r.random() < 0.3)
    ]:
        classes = int(r.integers(1, 12))
        sources = [source] + [str(r.choice(names)) for _ in range(r.integers(0, 2))]
        projections = tuple(Projection(s, _map(r, sizes[s], classes, drawn)) for s in sources)
        kind = str(r.choice(list(READOUTS), p=[0.45, 0.2, 0.2, 0.15]))
        beta = READOUTS[kind].fixed_beta
        if beta is None:
            beta = float(r.choice([0, 1, r.random()], p=[0.2, 0.1, 0.7]))
        bias: Any = parts.normal(r, classes) * 0.1
        own: Any = {}
        if kind == SynapticReadout.kind:
            own = {"alpha": r.random(), "enters": str(r.choice(ENTERS))}
        readout = READOUTS[kind].in_graph(bias, beta=beta, **own)
        out.append(Population(name, readout, projections))
    return out


def calibrated(network: Network, x: F32, rates: NDArray[np.float64]) -> Network:
    """The network with the biases of each population shifted by one number, all halved at once.

    x: inputs. rates: of each population that fires.
    """
    low, high = np.full(len(rates), -16.0), np.full(len(rates), 16.0)
    for _ in range(HALVINGS):
        tried = (low + high) / 2
        spikes = TorchRunner(_shifted(network, tried)).trace(x).spikes
        above = np.array([s[5:].mean() for s in spikes]) > rates
        low, high = np.where(above, low, tried), np.where(above, tried, high)
    return _shifted(network, (low + high) / 2)


def _shifted(network: Network, by: Any) -> Network:
    """by: a number for each population that fires."""
    shifts = iter(by.astype(np.float32))
    populations = [
        replace(p, bias=p.bias + next(shifts)) if p.fires else p for p in network.populations
    ]
    return replace(network, graph=tuple(populations))
