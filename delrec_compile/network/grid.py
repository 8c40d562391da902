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
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from delrec_compile.aliases import F32, INT16_MAX
from delrec_compile.errors import NetworkError, UsageError
from delrec_compile.network.model import INPUT, Network, Population, Projection, Readout
from delrec_compile.ops.feed import Feed

MANTISSA = 24
FINEST = 40
INT16, FINE, AUTO = "int16", "fine", "auto"
GRIDS = (INT16, FINE)


def snap(network: Network, grid: str = INT16, layers: Collection[int] | None = None) -> Network:
    """The same network with the weights of each population rounded to the finest grid with exact sums.

    grid: `int16`, on which a weight row is at most 2^15 - 1 units, so that it can be held in 16 bits;
    or `fine`, with as many bits as the sums allow. layers: numbers of the populations on the grid
    `fine`; None: all, and the readouts.

    Raises NetworkError when sums are so large that no grid below the threshold is left, UsageError for
    an unknown grid.
    """
    if grid not in GRIDS:
        raise UsageError(f"grid is '{grid}'; allowed: {', '.join(GRIDS)}")
    qs: list[int] = []
    for i, p in enumerate(network.populations):
        fine = grid == FINE and (layers is None or (p.fires and i in layers))
        q = _grid_of(p, network, fine)
        coarsest = min((q - fraction_bits(network, each) for each in p.projections), default=q)
        if p.fires and 2.0**-coarsest > p.model.rheobase / 64:
            raise NetworkError(
                f"{_title(network, i)}: its sums can reach 2**{MANTISSA - 1 - q}, too large for exact "
                f"float32 with weights this small; lower {_what(network)} or the weights"
            )
        qs.append(q)
    return _rebuilt(network, _all_rounded(network, network.populations, qs))


def _title(network: Network, i: int) -> str:
    return f"population '{network.populations[i].name}'" if network.graph else f"layer {i}"


def _what(network: Network) -> str:
    most = f"max_input (now {network.max_input:g})"
    return most if network.input_bits is None else f"input_bits (now {network.input_bits}), {most}"


def _grid_of(p: Population, network: Network, fine: bool) -> int:
    """q of the finest grid 2^-q of a population."""
    # one bit is left for the rounding of the bound
    q = min(MANTISSA - 1 - _magnitude(_bound(p, network)), FINEST)
    if not fine:
        widest = [
            _widest(rows) + fraction_bits(network, each)
            for each in p.projections
            for rows in each.synapses.rows
        ]
        return min([q, *widest])
    finer = _all_rounded(network, [p], [q + 1])[0]
    spare = _bound(finer, network) <= 2.0 ** (MANTISSA - 1 - q)
    return q + 1 if spare and q < FINEST else q


def fraction_bits(network: Network, each: Projection) -> int:
    """Bits by which the weights of a projection are coarser than its sums: those of real inputs."""
    real = network.real_input
    return real.bits if real is not None and each.source == INPUT else 0


def _all_rounded(
    network: Network, populations: Sequence[Population], qs: Sequence[int]
) -> list[Population]:
    """Each on its grid; synapses that several share are on the coarsest of theirs, and stay shared."""
    coarsest: dict[int, int] = {}
    for p, q in zip(populations, qs, strict=True):
        for each in p.projections:
            own = q - fraction_bits(network, each)
            coarsest[id(each.synapses)] = min(own, coarsest.get(id(each.synapses), own))
    made: dict[int, Any] = {}
    out = []
    for p, q in zip(populations, qs, strict=True):
        projections = []
        for each in p.projections:
            key = id(each.synapses)
            if key not in made:
                weights: Any = {
                    k: _round(w, coarsest[key]) for k, w in each.synapses.weights.items()
                }
                made[key] = replace(each.synapses, **weights)
            projections.append(replace(each, synapses=made[key]))
        fields: dict[str, Any] = {"projections": tuple(projections), "bias": _round(p.bias, q)}
        if isinstance(p.neuron, Readout):
            fields["neuron"] = replace(p.neuron, bias=_round(p.neuron.bias, q))
        out.append(replace(p, **fields))
    return out


def _rebuilt(network: Network, populations: Sequence[Population]) -> Network:
    """The network with other weights: a graph, or the layers and the readout of a chain."""
    if network.graph:
        readout = next(p.readout for p in populations if not p.fires)
        return replace(network, graph=tuple(populations), readout=readout)
    layers = []
    for layer, p in zip(network.layers, populations, strict=False):
        feed, *back = (each.synapses for each in p.projections)
        weight = next(iter(feed.weights.values()))
        own: dict[str, Any] = {"weight": weight, "bias": p.bias}
        if back:
            own["recurrence"] = back[0]
        layers.append(replace(layer, **own))
    out = populations[-1]
    weight = next(iter(out.projections[0].synapses.weights.values()))
    readout = replace(network.readout, weight=weight, bias=out.readout.bias)
    return replace(network, layers=tuple(layers), readout=readout)


def grids(network: Network) -> tuple[int | None, ...]:
    """Per population, in their order: q when all its sums are exact on the grid 2**-q, else None."""
    return tuple(_exact(p, network) for p in network.populations)


def exact(network: Network) -> bool:
    """Whether every sum of the network is exact, hence bit-identical on every engine."""
    return all(q is not None for q in grids(network))


def row_bits(rows: F32, q: int | None) -> int:
    """Bits of the integers that hold weights in units of 2^-q: 16 or 32; 32 too for float32."""
    fits = q is not None and float(np.abs(rows).max()) * 2.0**q <= INT16_MAX
    return 16 if fits else 32


def row_widths(network: Network, p: Population, q: int | None) -> list[tuple[F32, int]]:
    """The weights of a population that may be held as integers, with their bits. q: of its grid."""
    return [
        (rows, row_bits(rows, None if q is None else q - fraction_bits(network, each)))
        for each in p.projections
        for rows in each.synapses.rows
    ]


def row_bytes(network: Network, bits: int | None = None) -> int:
    """Bytes of all weight rows where they are held as integers. bits: of each; None: as they need."""
    return sum(
        rows.size * (bits or own) // 8
        for p, q in zip(network.populations, grids(network), strict=True)
        for rows, own in row_widths(network, p, q)
    )


def _bound(p: Population, network: Network) -> float:
    """The largest sum that can occur: every input at its largest size, every neuron firing."""
    bias = p.neuron.bias if isinstance(p.neuron, Readout) else p.bias
    total, biases = 0.0, np.abs(bias.astype(np.float64))
    for each in p.projections:
        largest = float(network.max_input) if each.source == INPUT else 1.0
        if each is p.feed and p.feed_takes_bias and isinstance(each.synapses, Feed):
            total += float((each.synapses.sums() * largest + biases).max())
            biases = np.zeros(1)
        else:
            total += each.synapses.largest_current(largest)
    return total + float(biases.max())


def _magnitude(bound: float) -> int:
    return math.ceil(math.log2(max(bound, 2.0**-FINEST)))


def _widest(rows: F32) -> int:
    """The finest grid on which the weights fit 16 bits."""
    largest = float(np.abs(rows.astype(np.float64)).max())
    return math.floor(math.log2(INT16_MAX / max(largest, 2.0**-FINEST)))


def _round(array: F32, q: int) -> F32:
    scaled = np.rint(array.astype(np.float64) * 2.0**q) / 2.0**q
    return scaled.astype(np.float32) + np.float32(0)


def _exact(p: Population, network: Network) -> int | None:
    arrays = [(p.bias, 0)]
    for each in p.projections:
        bits = fraction_bits(network, each)
        arrays += [(weight, bits) for weight in each.synapses.weights.values()]
    if isinstance(p.neuron, Readout):
        arrays.append((p.neuron.bias, 0))
    for q in range(min(MANTISSA - _magnitude(_bound(p, network)), FINEST) + 1):
        if all((np.ldexp(a.astype(np.float64), q - b) % 1 == 0).all() for a, b in arrays):
            return q
    return None
