"""What a step costs where work follows spikes: operations, energy, memory.

    inputs      a multiply-accumulate per active input channel and neuron (counts are numbers)
    spikes      an addition per spike and weight that it meets
    neurons     a multiply-accumulate per neuron, and per class of a leaky readout

`dense_macs` is what the same step takes where every weight is multiplied, spike or none. The energy
counts arithmetic alone: no memory, no control. Constants: M. Horowitz, "Computing's energy problem",
ISSCC 2014, 45 nm, 32-bit floating point: 3.7 pJ a multiplication, 0.9 pJ an addition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from delrec_compile.inspect import state_bytes
from delrec_compile.network import ConvDelay, DenseDelay, Network
from delrec_compile.ops import lif

MAC_PJ, ADD_PJ = 4.6, 0.9
SOURCE = "Horowitz, ISSCC 2014, 45 nm, 32-bit float: 4.6 pJ a MAC, 0.9 pJ an addition"
BYTES = 4  # of a parameter as float32


@dataclass(frozen=True)
class Cost:
    """Of one step of one stream, mean over the words that the rates were measured on."""

    macs: float
    additions: float
    dense_macs: int
    energy_nj: float
    dense_energy_nj: float
    parameter_bytes: int
    state_bytes: int


def rates(network: Network, counts: NDArray[np.uint8]) -> tuple[float, ...]:
    """Share of active input channels, then of each layer's neurons that fire, per step.

    counts: (n, T, channels).
    """
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    found = [float((x > 0).mean())]
    for layer in network.layers:
        current = x @ layer.weight.T + layer.bias
        v, history = np.zeros_like(current[0]), None
        recurrence = layer.recurrence
        if recurrence is not None:
            history = np.zeros((v.shape[0], recurrence.depth, v.shape[1]), np.float32)
        for t in range(len(current)):
            drive = current[t]
            if recurrence is not None and history is not None:
                drive = drive + recurrence.reference(history)
            current[t], v = lif.reference(layer.lif, drive, v)
            if history is not None:
                history = np.concatenate([current[t][:, None], history[:, :-1]], axis=1)
        x = current
        found.append(float(x.mean()))
    return tuple(found)


def cost(network: Network, rates: tuple[float, ...]) -> Cost:
    """Of a network of fully connected layers at these `rates`."""
    macs, additions, dense = 0.0, 0.0, 0
    for i, layer in enumerate(network.layers):
        events = rates[i] * layer.inputs * layer.size
        macs, additions = (macs + events, additions) if i == 0 else (macs, additions + events)
        dense += layer.inputs * layer.size
        fan = _fan_out(layer.recurrence)
        additions += rates[i + 1] * layer.size * fan
        dense += layer.size * fan
        macs += layer.size
        dense += layer.size
    last = network.layers[-1].size
    additions += rates[-1] * last * network.outputs
    kept = network.outputs if network.readout.keeps else 0
    macs, dense = macs + kept, dense + last * network.outputs + kept
    return Cost(
        macs,
        additions,
        dense,
        (macs * MAC_PJ + additions * ADD_PJ) / 1000,
        dense * MAC_PJ / 1000,
        network.parameters() * BYTES,
        state_bytes(network)["artifact"],
    )


def _fan_out(recurrence: object) -> int:
    """Weights that one spike meets; the edges of a convolution are counted as its middle."""
    if isinstance(recurrence, ConvDelay):
        return recurrence.heads * recurrence.taps
    return recurrence.size if isinstance(recurrence, DenseDelay) else 0
