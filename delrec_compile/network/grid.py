"""Freezing: weights on a power-of-two grid, so that every float32 sum is exact in any order.

float32 holds every integer up to 2**24. When all weights that meet in one current are multiples of
2**-q, and no partial sum can exceed 2**(24-q), each addition is exact: the order of the sum, its
blocking, and fused multiply-adds do not change a bit. PyTorch, ONNX Runtime and every compiled form
then agree bit for bit, not by luck but by construction. What is left to round is `beta * v` and its
sum with the current, which every form does in that order.

The grid of a layer is the finest that its bound allows, and, named `int16`, on which its weights fit 16
bits: some 2**-13 to 2**-17 on the networks of the paper, a ten-thousandth of the threshold. The grid
`fine` has no such limit: its rows take up to 24 bits. Chaotic recurrences need it, in which a spike
that rounding moved moves others.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from delrec_compile.aliases import F32, INT16_MAX
from delrec_compile.errors import NetworkError, UsageError
from delrec_compile.network.model import Layer, Network, Readout

MANTISSA = 24
FINEST = 40
INT16, FINE, AUTO = "int16", "fine", "auto"
GRIDS = (INT16, FINE)
P = TypeVar("P", Layer, Readout)


def snap(network: Network, grid: str = INT16, layers: Collection[int] | None = None) -> Network:
    """The same network with each layer's weights rounded to the finest grid with exact sums.

    grid: `int16`, on which a weight row is at most 2^15 - 1 units, so that it can be held in 16 bits;
    or `fine`, with as many bits as the sums allow. layers: numbers of those on the grid `fine`; None:
    all, and the readout.

    Raises NetworkError when a layer's sums are so large that no grid below the threshold is left,
    UsageError for an unknown grid.
    """
    if grid not in GRIDS:
        raise UsageError(f"grid is '{grid}'; allowed: {', '.join(GRIDS)}")
    on_grid = []
    for i, layer in enumerate(network.layers):
        largest, fine = _max_input(network, i), grid == FINE and (layers is None or i in layers)
        q = _grid_of(layer, largest, fine)
        if 2.0**-q > layer.neuron.rheobase / 64:
            raise NetworkError(
                f"layer {i}: its sums can reach 2**{MANTISSA - 1 - q}, too large for exact float32 "
                f"with weights this small; lower max_input (now {network.max_input}) or the weights"
            )
        on_grid.append(_rounded(layer, q))
    fine = grid == FINE and layers is None
    readout = _rounded(network.readout, _grid_of(network.readout, 1, fine))
    return replace(network, layers=tuple(on_grid), readout=readout)


def _grid_of(part: P, max_input: float, fine: bool) -> int:
    """q of the finest grid 2^-q of a part."""
    # one bit is left for the rounding of the bound
    q = min(MANTISSA - 1 - _magnitude(_bound(part, max_input)), FINEST)
    if not fine:
        return min(q, *map(_widest, weight_rows(part)))
    spare = _bound(_rounded(part, q + 1), max_input) <= 2.0 ** (MANTISSA - 1 - q)
    return q + 1 if spare and q < FINEST else q


def _rounded(part: P, q: int) -> P:
    on_grid: dict[str, Any] = {name: _round(getattr(part, name), q) for name in ("weight", "bias")}
    if isinstance(part, Layer) and part.recurrence is not None:
        weights: dict[str, Any] = {k: _round(w, q) for k, w in part.recurrence.weights.items()}
        on_grid["recurrence"] = replace(part.recurrence, **weights)
    return replace(part, **on_grid)


def grids(network: Network) -> tuple[int | None, ...]:
    """Per layer, readout last: q when all its sums are exact on the grid 2**-q, else None."""
    layers = [_exact(layer, _max_input(network, i)) for i, layer in enumerate(network.layers)]
    return (*layers, _exact(network.readout, 1))


def exact(network: Network) -> bool:
    """Whether every sum of the network is exact, hence bit-identical on every engine."""
    return all(q is not None for q in grids(network))


def weight_rows(part: Layer | Readout) -> list[F32]:
    """The weights of a layer or readout that compiled code may hold as integers, table by table."""
    recurrence = part.recurrence if isinstance(part, Layer) else None
    return [part.weight, *(recurrence.rows if recurrence is not None else [])]


def row_bits(rows: F32, q: int | None) -> int:
    """Bits of the integers that hold weights in units of 2^-q: 16 or 32; 32 too for float32."""
    fits = q is not None and float(np.abs(rows).max()) * 2.0**q <= INT16_MAX
    return 16 if fits else 32


def row_bytes(network: Network, bits: int | None = None) -> int:
    """Bytes of all weight rows where they are held as integers. bits: of each; None: as they need."""
    parts: list[Layer | Readout] = [*network.layers, network.readout]
    return sum(
        rows.size * (bits or row_bits(rows, q)) // 8
        for part, q in zip(parts, grids(network), strict=True)
        for rows in weight_rows(part)
    )


def _max_input(network: Network, layer: int) -> float:
    return network.max_input if layer == 0 else 1


def _bound(part: Layer | Readout, max_input: float) -> float:
    """The largest sum that can occur: every input at its largest count, every neuron firing."""
    rows = np.abs(part.weight.astype(np.float64)).reshape(len(part.weight), -1).sum(axis=1)
    bound = float((rows * max_input + np.abs(part.bias.astype(np.float64))).max())
    recurrence = part.recurrence if isinstance(part, Layer) else None
    return bound + (recurrence.largest_current() if recurrence is not None else 0.0)


def _magnitude(bound: float) -> int:
    return math.ceil(math.log2(max(bound, 2.0**-FINEST)))


def _widest(rows: F32) -> int:
    """The finest grid on which the weights fit 16 bits."""
    largest = float(np.abs(rows.astype(np.float64)).max())
    return math.floor(math.log2(INT16_MAX / max(largest, 2.0**-FINEST)))


def _round(array: F32, q: int) -> F32:
    scaled = np.rint(array.astype(np.float64) * 2.0**q) / 2.0**q
    return scaled.astype(np.float32) + np.float32(0)


def _exact(part: Layer | Readout, max_input: float) -> int | None:
    arrays = [part.weight, part.bias]
    if isinstance(part, Layer) and part.recurrence is not None:
        arrays += part.recurrence.weights.values()
    for q in range(min(MANTISSA - _magnitude(_bound(part, max_input)), FINEST) + 1):
        if all((np.ldexp(a.astype(np.float64), q) % 1 == 0).all() for a in arrays):
            return q
    return None
