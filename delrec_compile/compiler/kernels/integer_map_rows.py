"""The neurons of a population with places, a few rows at a time, in integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from delrec_compile.aliases import INT16_MAX
from delrec_compile.compiler.kernels import map_rows
from delrec_compile.compiler.kernels.integer_currents import Current, with_currents
from delrec_compile.compiler.kernels.integer_finish import FireNeurons
from delrec_compile.compiler.kernels.integer_sums import scaled_by
from delrec_compile.compiler.kernels.nodes import Edge
from delrec_compile.compiler.kernels.step_inputs import StepInputs, always
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.ops import linear


class Composes(map_rows.Host, Protocol):
    """A composer of integer kernels."""

    network: IntegerNetwork

    def bound(self, i: int) -> int:
        """Of what a step adds to node i."""


def fire(composer: Composes, i: int, now: StepInputs) -> None:
    """Updates node i, which has places; the sums of maps of one unit are one."""
    e, node, bound = composer.e, composer.nodes[i], composer.bound(i)
    reach = max(edge.taps.reach for edge in node.edges)
    edges = list(zip(node.edges, now.of_edges, strict=True))
    rows = []
    for shift in sorted({edge.synapses.shift for edge in node.edges}):
        own = [(edge, sent) for edge, sent in edges if edge.synapses.shift == shift]
        narrow = fits_int16([edge for edge, _ in own], composer.network.largest_of)
        rows.append(map_rows.rows_of(e, own, "int16" if narrow else "int32", reach, 1 << shift))

    def take(sums: Any, local: Any, spikes: Any, size: int) -> None:
        finish = FireNeurons(e, node.part.model, local, spikes, bound)
        currents = with_currents(e, finish, [Current(v, unit) for v, unit in sums[1:]])
        (first, unit), *_ = sums
        begin = linear.Sums("int32", scaled_by(e, currents, unit), start=[first])
        linear.emit(e, size, always(begin))

    map_rows.fire(composer, i, now, rows, take)


def fits_int16(edges: Sequence[Edge], largest: Callable[[str], int]) -> bool:
    """Whether 16 bits hold every sum of maps of one unit. largest: count of a source."""
    sums = sum(e.synapses.bound(largest(e.source)) >> e.synapses.shift for e in edges)
    return bool(np.max(sums) <= INT16_MAX)
