"""Freezing: weights on a power-of-two grid, so that every float32 sum is exact in any order.

float32 holds every integer up to 2**24. When all weights that meet in one current are multiples of
2**-q, and no partial sum can exceed 2**(24-q), each addition is exact: the order of the sum, its
blocking, and fused multiply-adds do not change a bit. PyTorch, ONNX Runtime and every compiled form
then agree bit for bit, not by luck but by construction. What is left to round is `beta * v` and its
sum with the current, which every form does in that order.

The grid of a layer is the finest that its bound allows. It is some 2**-13 to 2**-17 on the networks
of the paper: a ten-thousandth of the threshold.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32, INT16_MAX
from delrec_compile.errors import NetworkError
from delrec_compile.network.model import Layer, Network, Synapses

MANTISSA = 24
FINEST = 40


def snap(network: Network) -> Network:
    """The same network with each layer's weights rounded to the finest grid with exact sums.

    A weight row is at most 2^15 - 1 units of its grid, so that it can be held in 16 bits.

    Raises NetworkError when a layer's sums are so large that no grid below the threshold is left.
    """
    layers = []
    for i, layer in enumerate(network.layers):
        bound = _bound(layer.weight, layer.bias, _max_input(network, i), layer.recurrence)
        q = min(_finest(bound), *(_widest(row) for row in _rows(layer)))
        if 2.0**-q > layer.neuron.rheobase / 64:
            raise NetworkError(
                f"layer {i}: its sums can reach 2**{MANTISSA - 1 - q}, too large for exact float32 "
                f"with weights this small; lower max_input (now {network.max_input}) or the weights"
            )
        recurrence = layer.recurrence
        if recurrence is not None:
            on_grid: dict[str, Any] = {k: _round(w, q) for k, w in recurrence.weights.items()}
            recurrence = replace(recurrence, **on_grid)
        weight, bias = _round(layer.weight, q), _round(layer.bias, q)
        layers.append(replace(layer, weight=weight, bias=bias, recurrence=recurrence))
    out = network.readout
    q = min(_finest(_bound(out.weight, out.bias, 1, None)), _widest(out.weight))
    readout = replace(out, weight=_round(out.weight, q), bias=_round(out.bias, q))
    return replace(network, layers=tuple(layers), readout=readout)


def grids(network: Network) -> tuple[int | None, ...]:
    """Per layer, readout last: q when all its sums are exact on the grid 2**-q, else None."""
    out = []
    for i, layer in enumerate(network.layers):
        parts = [layer.weight, layer.bias]
        if layer.recurrence is not None:
            parts += layer.recurrence.weights.values()
        bound = _bound(layer.weight, layer.bias, _max_input(network, i), layer.recurrence)
        out.append(_exact(parts, bound))
    r = network.readout
    return (*out, _exact([r.weight, r.bias], _bound(r.weight, r.bias, 1, None)))


def exact(network: Network) -> bool:
    """Whether every sum of the network is exact, hence bit-identical on every engine."""
    return all(q is not None for q in grids(network))


def _max_input(network: Network, layer: int) -> int:
    return network.max_input if layer == 0 else 1


def _bound(weight: F32, bias: F32, max_input: int, recurrence: Synapses | None) -> float:
    rows = np.abs(weight.astype(np.float64)).reshape(len(weight), -1).sum(axis=1) * max_input
    bound = float((rows + np.abs(bias.astype(np.float64))).max())
    return bound + (recurrence.largest_current() if recurrence is not None else 0.0)


def _finest(bound: float) -> int:
    # one bit is left for the rounding of the bound
    return min(MANTISSA - 1 - math.ceil(math.log2(max(bound, 2.0**-FINEST))), FINEST)


def _rows(layer: Layer) -> list[F32]:
    return [layer.weight, *(layer.recurrence.rows if layer.recurrence is not None else [])]


def _widest(rows: F32) -> int:
    """The finest grid on which the weights fit 16 bits."""
    largest = float(np.abs(rows.astype(np.float64)).max())
    return math.floor(math.log2(INT16_MAX / max(largest, 2.0**-FINEST)))


def _round(array: F32, q: int) -> F32:
    scaled = np.rint(array.astype(np.float64) * 2.0**q) / 2.0**q
    return scaled.astype(np.float32) + np.float32(0)


def _exact(parts: list[F32], bound: float) -> int | None:
    limit = MANTISSA - math.ceil(math.log2(max(bound, 2.0**-FINEST)))
    for q in range(min(limit, FINEST) + 1):
        if all((np.ldexp(p.astype(np.float64), q) % 1 == 0).all() for p in parts):
            return q
    return None
