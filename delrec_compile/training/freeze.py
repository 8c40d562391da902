"""From a trained net to the frozen `Network`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from delrec_compile.aliases import F32
from delrec_compile.network import grid, grid_choice
from delrec_compile.network.classify import layer_spikes
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.registry import READOUTS, make_readout
from delrec_compile.training.model import SpikingNet

Counts = npt.NDArray[np.uint8] | F32


def fold(
    net: SpikingNet,
    *,
    dt_ms: float = 10.0,
    max_input: int = 31,
    labels: tuple[str, ...] = (),
    name: str = "network",
    notes: Mapping[str, Any] | None = None,
) -> Network:
    """The trained net with BatchNorm folded into the weights and delays rounded; not yet snapped."""
    c = net.config
    kind = "count" if c.readout == "pool" else c.readout
    fixed = READOUTS[kind].fixed_beta
    weight, bias = _f32(net.readout.weight), _f32(net.readout.bias)
    readout = make_readout(kind, weight, bias, c.beta if fixed is None else fixed, c.decision)
    layers = tuple(_fold_layer(layer) for layer in net.layers)
    return Network(layers, readout, dt_ms, max_input, labels, name, dict(notes or {}))


def frozen(net: SpikingNet, counts: Counts | None = None, **options: Any) -> Network:
    """`fold`, then weights on the grid of exact sums: the form that is saved and measured.

    counts: samples (n, T, channels), by whose spikes the grid `auto` is chosen; without them it is
    `int16`.
    """
    folded, name = fold(net, **options), net.config.grid
    if name != grid.AUTO:
        return grid.snap(folded, name)
    coarse = grid.snap(folded)
    return (
        coarse if counts is None else grid_choice.choose(folded, coarse, _against(folded, counts))
    )


def _against(network: Network, counts: Counts) -> Callable[[Network], int]:
    """Number of spikes of another network on the samples that differ from this one's."""
    wanted = list(layer_spikes(network, counts))

    def differing(other: Network) -> int:
        pairs = zip(layer_spikes(other, counts), wanted, strict=True)
        return sum(int((spikes != own).sum()) for spikes, own in pairs)

    return differing


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
