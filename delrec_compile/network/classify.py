"""Outputs, classes and accuracy of a frozen network on a data set, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from delrec_compile.aliases import F32
from delrec_compile.network.base import pushed
from delrec_compile.network.model import Layer, Network

BATCH = 300


def outputs(network: Network, counts: npt.NDArray[Any]) -> F32:
    """Readout membrane (T, n, classes) of utterances (n, T, channels), from zero state.

    Feed-forward products are taken over all time at once. On a snapped network every sum is exact,
    so this gives the bits of `Network.step`.
    """
    *_, x = layer_spikes(network, counts)
    readout = network.readout
    y = x @ readout.weight.T + readout.step_bias
    state = {name: np.zeros_like(y[0]) for name in readout.states}
    for t in range(len(y)):
        y[t], state = readout.integrate(y[t], state)
    return np.asarray(y)


def layer_spikes(network: Network, counts: npt.NDArray[Any]) -> Iterator[F32]:
    """Yields the spikes (T, n, N) of each layer on counts (n, T, channels), from zero state."""
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    x = x if network.real_input is None else network.real_input.reference(x)
    for layer in network.layers:
        x = _run_layer(layer, x)
        yield x


def classify(network: Network, counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Class of each utterance (n, T, channels): (n,)."""
    parts = [counts[i : i + BATCH] for i in range(0, len(counts), BATCH)]
    classes = [network.readout.classes(outputs(network, part)) for part in parts]
    return np.concatenate(classes) if classes else np.zeros(0, np.int64)


def accuracy(network: Network, counts: npt.NDArray[Any], labels: npt.NDArray[np.int64]) -> float:
    """Share of samples classified correctly."""
    return float((classify(network, counts) == labels).mean())


def _run_layer(layer: Layer, x: F32) -> F32:
    """(T, n, in) -> spikes (T, n, out)."""
    rows = x.reshape(-1, layer.inputs)  # one product: many small ones take ten times as long
    current = rows @ layer.weight.T + layer.bias if layer.maps is None else layer.feed(rows)
    current = current.reshape(*x.shape[:2], -1)
    state = {name: np.zeros_like(current[0]) for name in layer.states}
    spikes = np.empty_like(current)
    recurrence = layer.recurrence
    depth = recurrence.depth if recurrence is not None else 0
    batch, neurons = current.shape[1:]
    history = np.zeros((batch, depth, neurons), np.float32)
    for t in range(len(current)):
        drive = current[t]
        if recurrence is not None:
            drive = drive + recurrence.reference(history)
        spikes[t], state = layer.neuron.reference(drive, state)
        if recurrence is not None:
            history = pushed(spikes[t], history)
    return spikes
