"""The cost of a step where work follows spikes: operations, energy, memory.

    inputs      a multiply-accumulate per active input channel and weight that it meets
    spikes      an addition per spike and weight that it meets
    neurons     a multiply-accumulate per neuron, and per class of a leaky readout

A kernel counts as whole at every neuron, its weights beyond an edge too: compiled code adds those
into a margin. `dense_macs` is what the same step takes where every weight is multiplied, spike or
none. The energy counts arithmetic alone: no memory, no control. Constants: M. Horowitz, "Computing's
energy problem", ISSCC 2014, 45 nm, 32-bit floating point: 3.7 pJ a multiplication, 0.9 pJ an addition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.network.model import INPUT, Feed, Layer, Network, Synapses
from delrec_compile.network.summary import state_bytes

MAC_PJ, ADD_PJ = 4.6, 0.9
SOURCE = "Horowitz, ISSCC 2014, 45 nm, 32-bit float: 4.6 pJ a MAC, 0.9 pJ an addition"
BYTES = 4  # of a parameter as float32
# by kind: neurons that share each recurrent weight
_SHARED: dict[str, Callable[[Any], int]] = {
    "conv_delay": lambda r: r.size,
    "dense_delay": lambda _: 1,
    "synaptic_delay": lambda _: 1,
    "tap_conv_delay": lambda r: r.width,
    "conv2d_delay": lambda r: r.maps.size // r.maps.out[0],
    "channel_conv_delay": lambda r: r.maps.size // r.maps.out[0],
}


@dataclass(frozen=True)
class Cost:
    """The cost of one step of one stream, mean over the samples that the rates were measured on."""

    macs: float
    additions: float
    dense_macs: int
    energy_nj: float
    dense_energy_nj: float
    parameter_bytes: int
    state_bytes: int


def spike_rates(network: Network, counts: NDArray[Any]) -> tuple[float, ...]:
    """Share of active input channels, then of each layer's neurons that fire, per step.

    counts: (n, T, channels).
    """
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    shares = [float((x > 0).mean())]
    for layer in network.layers:
        current = _feed(layer, x)
        state = {name: np.zeros_like(current[0]) for name in layer.states}
        history = None
        recurrence = layer.recurrence
        if recurrence is not None:
            history = np.zeros((current.shape[1], recurrence.depth, current.shape[2]), np.float32)
        for t in range(len(current)):
            drive = current[t]
            if recurrence is not None and history is not None:
                drive = drive + recurrence.reference(history)
            current[t], state = layer.neuron.reference(drive, state)
            if history is not None:
                history = np.concatenate([current[t][:, None], history[:, :-1]], axis=1)
        x = current
        shares.append(float(x.mean()))
    return tuple(shares)


def cost(network: Network, rates: tuple[float, ...]) -> Cost:
    """The cost of a network at these `rates`: of the input, then of each population that fires."""
    macs, additions, dense = 0.0, 0.0, 0
    sent = dict(zip((INPUT, *(p.name for p in network.spiking)), rates, strict=True))
    for _, each in network.projections():
        met = synapses(each.synapses)
        if each.source == INPUT:
            macs += sent[INPUT] * met
        else:
            additions += sent[each.source] * met
        dense += met
    for p in network.populations:
        leaks = p.size if p.fires or p.readout.has_membrane else 0
        macs, dense = macs + leaks, dense + leaks
    return Cost(
        macs,
        additions,
        dense,
        (macs * MAC_PJ + additions * ADD_PJ) / 1000,
        dense * MAC_PJ / 1000,
        network.parameters() * BYTES,
        state_bytes(network)["artifact"],
    )


def synapses(s: Synapses | Feed) -> int:
    """Weights that take part when every neuron, or input, that sends is active once."""
    if isinstance(s, Feed):
        return int(s.matrix[0].size * s.size)
    weights = sum(values.size for values in s.weights.values())
    return weights * _SHARED[s.kind](s)


def _feed(layer: Layer, x: F32) -> F32:
    """(T, n, in) -> the current (T, n, out)."""
    if layer.maps is None:
        return np.asarray(x @ layer.weight.T + layer.bias)
    return layer.feed(x.reshape(-1, layer.inputs)).reshape(*x.shape[:2], -1)
