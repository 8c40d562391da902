"""Currents of an integer network that are not sums of rows alone: of kernels, of several heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.aliases import INT32_MAX
from delrec_compile.compiler.kernels.integer_sums import FinishTile, IntegerSums, RowSum
from delrec_compile.compiler.kernels.integer_tables import (
    has_short_kernels,
    largest_count,
    subtracts,
)
from delrec_compile.compiler.kernels.nodes import Edge
from delrec_compile.compiler.kernels.step_inputs import Incoming
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.integer.linear import IntegerDense, IntegerLinear
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.ops import conv_delay, linear, silent_rows
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.arrivals import Arrivals
from delrec_compile.ops.plane_taps import ShiftedPlanes
from delrec_compile.ops.synapses import of_head

Buffers = Callable[[str], Any]  # a table of a projection, by its local name


@dataclass(frozen=True)
class Current:
    """values: (n,) int32, in `unit` membrane units. held: of a ring, whose numbers may be any."""

    values: Any
    unit: int
    held: bool = False

    def at(self, e: Emitter, at: Any, lanes: int) -> Any:
        """The current of a block, in membrane units."""
        value = e.load(self.values, at, lanes)
        if self.held and self.unit > 1:
            ends = (INT32_MAX // self.unit, -(INT32_MAX // self.unit))
            high, low = (e.splat(tir.int32(end), lanes) for end in ends)
            value = tir.max(tir.min(value, high), low)
        return value * e.splat(tir.int32(self.unit), lanes) if self.unit > 1 else value

    def added(self, e: Emitter, value: Any, at: Any, lanes: int) -> Any:
        """The sum of a value and the current of a block."""
        own = self.at(e, at, lanes)
        return e.wrapping(value, own, lanes) if self.held else value + own


def arrived(e: Emitter, edge: Edge, arrivals: Arrivals, head: int) -> Incoming:
    """What arrives at a head of dense synapses."""
    events, count = arrivals.read(head), of_head(arrivals.count, head)
    if count is None and subtracts(edge.synapses.dtype, e.schedule):
        events = silent_rows.turn(e, events, edge.sources)
    return Incoming(events, count)


def with_currents(e: Emitter, finish: FinishTile, currents: Sequence[Current]) -> FinishTile:
    """`finish`, from sums to which the currents are still to be added."""
    if not currents:
        return finish

    def finish_all(base: Any, size: int) -> linear.Finish:
        take = finish(base, size)
        parts = [replace(c, values=e.view(c.values, base, size)) for c in currents]

        def total(value: Any, at: int, lanes: int) -> None:
            for part in parts:
                value = part.added(e, value, at, lanes)
            take(value, at, lanes)

        return total

    return finish_all


@dataclass(frozen=True)
class Currents:
    """Emits the current of a projection. rows: how its rows are summed."""

    e: Emitter
    rows: IntegerSums
    network: IntegerNetwork

    def of(self, edge: Edge, incoming: Any, buffers: Buffers) -> Current:
        """incoming: Incoming of an undelayed projection, else Arrivals, ShiftedPlanes or a current."""
        s = edge.synapses
        if isinstance(s, IntegerConv):
            planes = isinstance(incoming, ShiftedPlanes)
            short = planes and has_short_kernels(s, self.e.schedule)
            current = self._conv(s, incoming, buffers("kernel"))
            return Current(current, 1 << s.shift if short else 1)
        assert isinstance(s, IntegerLinear)
        if edge.line is None:
            current = self._undelayed(edge, s, incoming, buffers("weight"))
        elif edge.ring is not None:
            return Current(incoming, 1 << s.shift, held=True)
        elif isinstance(s, IntegerDense):
            current = self._heads(edge, s, incoming, buffers)
        else:
            _, current = s.form.emit(self.e, incoming, buffers, "int32")  # type: ignore[union-attr]
        return Current(current, 1 << s.shift)

    def _undelayed(self, edge: Edge, s: IntegerLinear, incoming: Incoming, table: Any) -> Any:
        """Of rows; or of a convolution, summed event by event."""
        if isinstance(s, IntegerDense):
            current = self.e.buffer("current", s.size, "int32")
            rows = RowSum(incoming, s.matrices[0], table, self._largest(edge))
            self.rows.emit(s.size, [rows], _Add(self.e, current, False), 0)
            return self.e.view(current, 0, s.size)
        maps = s.form.maps  # type: ignore[union-attr]
        sums = maps_op.sums(self.e, maps, "int32")
        maps_op.scatter(self.e, maps, incoming.events, table, sums, count=incoming.count)
        return maps_op.without_margins(self.e, maps, sums)

    def _largest(self, edge: Edge) -> int:
        return largest_count(self.network, edge.source)

    def _heads(self, edge: Edge, s: IntegerDense, arrivals: Arrivals, buffers: Buffers) -> Any:
        """Of dense synapses of several heads, whose events are listed one head after another."""
        e, n, table = self.e, s.size, buffers("recurrent")
        current, each = e.buffer("current", n, "int32"), table.shape[0] // len(s.matrices)
        largest = self._largest(edge)
        for head, weight in enumerate(s.matrices):
            incoming, total = arrived(e, edge, arrivals, head), None
            if incoming.events.turns:
                total = e.view(buffers("recurrent" + silent_rows.TOTAL), head * n, n)
            own = e.view(table, head * int(each), int(each))
            add = _Add(e, current, head > 0)
            self.rows.emit(n, [RowSum(incoming, weight, own, largest, total)], add, 0)
        return e.view(current, 0, n)

    def _conv(self, s: IntegerConv, arrivals: Any, kernel: Any) -> Any:
        """Of a kernel for each neuron, in membrane units; of short ones in their own."""
        e = self.e
        if isinstance(arrivals, ShiftedPlanes):

            def tap(k: int, first: Any, lanes: int) -> Any:
                return e.load(kernel, k * s.size + first, lanes)

            return arrivals.current(e, tap)
        current = e.buffer("current", s.size + s.taps - 1, "int32")
        conv_delay.emit_rows(e, arrivals, kernel, s.taps, current, s.size, 1 << s.shift)
        return e.view(current, s.taps // 2, s.size)


@dataclass(frozen=True)
class _Add:
    """Sums are added to those in `to`, or take their place."""

    e: Emitter
    to: Any
    adds: bool

    def __call__(self, base: Any, size: int) -> linear.Finish:
        to = self.e.view(self.to, base, size)

        def take(value: Any, at: int, lanes: int) -> None:
            total = self.e.load(to, at, lanes) + value if self.adds else value
            self.e.store(to, at, lanes, total)

        return take
