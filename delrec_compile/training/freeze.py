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
from delrec_compile.network.model import (
    INPUT,
    Convolution,
    Dense,
    DenseDelay,
    Layer,
    Lif,
    Network,
    Neuron,
    Population,
    Projection,
    Readout,
    Synapses,
    SynapticDelay,
)
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.registry import READOUTS, make_readout
from delrec_compile.training.forward import ForwardDelay
from delrec_compile.training.model import SpikingNet

Counts = npt.NDArray[np.uint8] | F32


def fold(
    net: SpikingNet,
    *,
    dt_ms: float = 10.0,
    max_input: float = 31,
    labels: tuple[str, ...] = (),
    name: str = "network",
    notes: Mapping[str, Any] | None = None,
    input_bits: int | None = None,
) -> Network:
    """The trained net with BatchNorm folded into the weights and delays rounded; not yet snapped.

    A chain of layers; where what comes into any of them is delayed, a graph.
    """
    layers = [_fold_layer(layer) for layer in net.layers]
    options: dict[str, Any] = {"dt_ms": dt_ms, "max_input": max_input, "labels": labels}
    options |= {"name": name, "notes": dict(notes or {}), "input_bits": input_bits}
    delays: list[Any] = [*(layer.delay for layer in net.layers), net.delay]
    if not any(delay is not None for delay in delays):
        return Network(tuple(layers), _readout(net), **options)
    populations, source = [], INPUT
    for i, (layer, delay) in enumerate(zip(layers, delays, strict=False)):
        into, own = [Projection(source, _delayed(layer.map, delay))], layer_prefix(i)[:-1]
        if layer.recurrence is not None:
            into.append(Projection(own, layer.recurrence))
        populations.append(Population(own, layer.neuron, tuple(into), layer.bias))
        source = own
    out, map_ = _readout(net), Dense(_f32(net.readout.weight))
    fields = {"decision": out.decision} | ({} if out.fixed_beta is not None else {"beta": out.beta})
    readout = type(out).in_graph(out.bias, **fields)
    populations.append(
        Population(READOUT[:-1], readout, (Projection(source, _delayed(map_, net.delay)),))
    )
    return Network.of(populations, **options)


def _readout(net: SpikingNet) -> Readout:
    c = net.config
    kind = "count" if c.readout == "pool" else c.readout
    fixed = READOUTS[kind].fixed_beta
    bias = _f32(net.readout.bias)
    weight = _f32(net.readout.weight)
    return make_readout(kind, weight, bias, c.beta if fixed is None else fixed, c.decision)


def _delayed(feed: Feed, delay: ForwardDelay | None) -> Synapses | Feed:
    """The map with its learned delays."""
    if delay is None:
        return feed
    steps = delay.frozen_delay()
    if isinstance(feed, Convolution):
        m = feed.maps
        return ChannelConvDelay(feed.kernel, steps[0], m.height, m.stride, m.pad, m.groups)
    if delay.synaptic:
        return SynapticDelay(feed.matrix, steps)
    heads = feed.matrix.reshape(feed.size, len(steps), -1).swapaxes(0, 1)
    if len(steps) == 1:
        return DenseDelay(heads[0], steps[0])
    return DenseDelay(np.ascontiguousarray(heads), steps)


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
    neuron, maps = _neuron(layer), layer.maps
    return Layer(weight.astype(np.float32), bias.astype(np.float32), neuron, recurrence, maps)


def _neuron(layer: Any) -> Neuron:
    if layer.constants is not None:
        frozen: Neuron = layer.constants.frozen()
        return frozen
    n = layer.neuron()
    beta = _f32(n.beta)[:, 0] if isinstance(n.beta, Tensor) else n.beta
    return Lif(beta, n.threshold, n.v_reset, n.gain, n.fires, n.reset)


def _f64(tensor: Tensor) -> npt.NDArray[np.float64]:
    return tensor.detach().double().numpy()


def _f32(tensor: Tensor) -> F32:
    return tensor.detach().float().numpy().copy()
