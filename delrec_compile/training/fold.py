"""From a trained net to the frozen `Network`, and the accuracy of that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from delrec_compile import freeze
from delrec_compile.aliases import F32
from delrec_compile.network import Layer, Lif, Network, Readout
from delrec_compile.ops import lif
from delrec_compile.training.model import SpikingNet

BATCH = 300


def fold(
    net: SpikingNet,
    *,
    dt_ms: float = 10.0,
    max_input: int = 31,
    labels: tuple[str, ...] = (),
    name: str = "network",
    notes: Mapping[str, Any] | None = None,
) -> Network:
    """The trained net, BatchNorm folded into the weights and delays rounded; not yet snapped."""
    c = net.config
    kind = "count" if c.readout == "pool" else c.readout
    beta = {"leaky": c.beta, "linear": 0.0, "count": 1.0}[kind]
    weight, bias = _f32(net.readout.weight), _f32(net.readout.bias)
    readout = Readout(weight, bias, beta, c.decision, kind)
    layers = tuple(_fold_layer(layer) for layer in net.layers)
    return Network(layers, readout, dt_ms, max_input, labels, name, dict(notes or {}))


def frozen(net: SpikingNet, **about: Any) -> Network:
    """`fold`, then weights on the grid of exact sums: what is saved, exported and measured."""
    return freeze.snap(fold(net, **about))


def outputs(network: Network, counts: npt.NDArray[np.uint8]) -> F32:
    """Readout membrane (T, n, classes) of utterances (n, T, channels), from zero state.

    Feed-forward products are taken over all time at once. On a snapped network every sum is exact,
    so this gives the bits of `Network.step`.
    """
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    for layer in network.layers:
        x = _run_layer(layer, x)
    readout = network.readout
    current = x @ readout.weight.T + readout.inner_bias
    if not readout.keeps:
        return current
    v = np.zeros_like(current[0])
    for t in range(len(current)):
        v = current[t] = np.float32(readout.beta) * v + current[t]
    return current + readout.bias if readout.kind == "count" else current


def classify(network: Network, counts: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Class of each utterance (n, T, channels): (n,)."""
    parts = [counts[i : i + BATCH] for i in range(0, len(counts), BATCH)]
    classes = [network.readout.classes(outputs(network, part)) for part in parts]
    return np.concatenate(classes) if classes else np.zeros(0, np.int64)


def accuracy(
    network: Network, counts: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]
) -> float:
    """Share of utterances classed right."""
    return float((classify(network, counts) == labels).mean())


def _run_layer(layer: Layer, x: F32) -> F32:
    """(T, n, in) -> spikes (T, n, out)."""
    if layer.maps is None:
        current = x @ layer.weight.T + layer.bias
    else:
        current = layer.feed(x.reshape(-1, layer.inputs)).reshape(*x.shape[:2], -1)
    v = np.zeros_like(current[0])
    spikes = np.empty_like(current)
    recurrence = layer.recurrence
    depth = recurrence.depth if recurrence is not None else 0
    history = np.zeros((v.shape[0], depth, v.shape[1]), np.float32)
    for t in range(len(current)):
        drive = current[t]
        if recurrence is not None:
            drive = drive + recurrence.reference(history)
        spikes[t], v = lif.reference(layer.lif, drive, v)
        if recurrence is not None:
            history = np.concatenate([spikes[t][:, None], history[:, :-1]], axis=1)
    return spikes


def _fold_layer(layer: Any) -> Layer:
    norm = layer.norm
    if norm.running_mean is None or norm.running_var is None:
        raise TypeError("the BatchNorm of a trained net has running statistics")
    scale = _f64(norm.weight) / np.sqrt(_f64(norm.running_var) + norm.eps)
    weight = _f64(layer.linear.weight)
    weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    bias = (_f64(layer.linear.bias) - _f64(norm.running_mean)) * scale + _f64(norm.bias)
    recurrence = layer.recurrent.frozen() if layer.recurrent is not None else None
    n = layer.neuron()
    beta = _f32(n.beta)[:, 0] if isinstance(n.beta, Tensor) else n.beta
    lif = Lif(beta, n.threshold, n.v_reset, n.gain, n.fires, n.reset)
    maps = layer.maps
    return Layer(weight.astype(np.float32), bias.astype(np.float32), lif, recurrence, maps)


def _f64(tensor: Tensor) -> npt.NDArray[np.float64]:
    return tensor.detach().double().numpy()


def _f32(tensor: Tensor) -> F32:
    return tensor.detach().float().numpy().copy()
