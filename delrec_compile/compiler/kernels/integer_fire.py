"""The neurons of a population in integers, for cores without vectors: some currents lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.integer_currents import Current
from delrec_compile.compiler.kernels.integer_finish import FireNeurons, StoreCurrents
from delrec_compile.compiler.kernels.integer_sums import IntegerSums, RowSum, WordSums
from delrec_compile.compiler.kernels.nodes import Edge, Node
from delrec_compile.compiler.kernels.step_inputs import StepInputs
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.ops import conv_delay
from delrec_compile.ops.arrivals import Arrivals


class Composes(Protocol):
    """A composer of integer kernels. row_sums: how it sums rows."""

    e: Emitter
    nodes: tuple[Node, ...]
    row_sums: IntegerSums

    def bound(self, i: int) -> int:
        """Of what a step adds to node i."""

    def buffers_of(self, i: int) -> Buffers:
        """Tables and state of node i, by local name."""

    def edge_buffers(self, i: int, edge: Edge) -> Buffers:
        """Tables and state of a projection into node i, by local name."""

    def row_sums_of(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows that are summed in weight units."""

    def currents(self, i: int, now: StepInputs, without: Edge | None = None) -> list[Current]:
        """What comes through all other projections."""

    def sum_rows(self, i: int, now: StepInputs, finish: Any) -> None:
        """Sums of all rows of node i, in membrane units; zeros where it has none."""


def fire(composer: Composes, i: int, now: StepInputs) -> None:
    """Updates node i."""
    sums, rows = composer.row_sums, composer.row_sums_of(i, now)
    if not rows or not isinstance(sums, WordSums):
        _fire_apart(composer, i, now)
        return
    e, node, buffers = composer.e, composer.nodes[i], composer.buffers_of(i)
    others, start = Others.of(composer, i, now), buffers("bias")
    if others.any:
        bias, start = start, others.buffer(e, node.size)
        for base, size in e.runs(node.size, e.schedule.neurons):
            to, of = e.view(start, base, size), e.view(bias, base, size)
            for k in range(size):
                e.store(to, k, 1, e.load(of, k, 1))
        others.add(composer, i, start)
    own = (e, node.part.model, buffers, now.spikes, composer.bound(i))
    sums.emit(node.size, rows, FireNeurons(*own, biased=False), node.part.fraction, start)


def _fire_apart(composer: Composes, i: int, now: StepInputs) -> None:
    """First all currents, then all neurons: each loop has the few pointers that it needs."""
    e, node, buffers = composer.e, composer.nodes[i], composer.buffers_of(i)
    others = Others.of(composer, i, now)
    current = others.buffer(e, node.size)
    composer.sum_rows(i, now, StoreCurrents(e, current, buffers("bias")))
    others.add(composer, i, current)
    model, bound = node.part.model, composer.bound(i)
    if e.schedule.bytes == "memory":
        neurons = model.tile(e, buffers, 0, node.size, bound, biased=False)
        neurons.update_in_loops(node.size, current, now.spikes)
        return
    for base, size in e.runs(node.size, e.schedule.neurons):
        neurons = model.tile(e, buffers, base, size, bound, biased=False)
        here = e.view(current, base, size)
        for k in range(size):
            neurons.update(e.load(here, k, 1), now.spikes, k, 1)


@dataclass(frozen=True)
class Others:
    """What comes into a population through all projections but those of rows.

    direct: a projection whose spikes add their kernels to a buffer with margins, and its arrivals.
    currents: those of the others.
    """

    direct: tuple[Edge, Any] | None
    currents: list[Current]

    @classmethod
    def of(cls, composer: Composes, i: int, now: StepInputs) -> Others:
        """Those of node i; makes the currents."""
        pairs = zip(composer.nodes[i].edges, now.of_edges, strict=True)
        direct = next((pair for pair in pairs if _scatters(*pair)), None)
        return cls(direct, composer.currents(i, now, direct[0] if direct else None))

    @property
    def any(self) -> bool:
        return bool(self.direct or self.currents)

    @property
    def pad(self) -> int:
        """Margin on each side of the buffer."""
        return int(self.direct[0].synapses.taps // 2) if self.direct else 0

    def buffer(self, e: Emitter, n: int) -> Any:
        """Memory for the currents of n neurons, int32."""
        pad = self.pad
        current = e.buffer("current", n + 2 * pad, "int32")
        for q in range(pad):
            e.store(current, q, 1, tir.int32(0))
            e.store(current, pad + n + q, 1, tir.int32(0))
        return e.view(current, pad, n)

    def add(self, composer: Composes, i: int, to: Any) -> None:
        """Adds them to a buffer of `buffer`."""
        e, n = composer.e, composer.nodes[i].size
        if self.direct:
            edge, arrivals = self.direct
            s, kernel = edge.synapses, composer.edge_buffers(i, edge)("kernel")
            padded = e.view(to, -self.pad, n + 2 * self.pad)
            conv_delay.scatter(e, arrivals, kernel, s.taps, padded, n, 1 << s.shift)
        for part in self.currents:
            with e.loop("k", n) as k:
                e.store(to, k, 1, part.added(e, e.load(to, k, 1), k, 1))


def _scatters(edge: Edge, arrivals: Any) -> bool:
    """Whether spikes add their kernels to a buffer with margins."""
    plain = isinstance(arrivals, Arrivals) and arrivals.count is None
    return plain and isinstance(edge.synapses, IntegerConv)
