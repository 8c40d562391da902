"""An integer network -> one TIR function: the step of `network.integer.model`, in int32 throughout.

See `base` for its arguments; membranes are int32, y is float32. How weight rows are summed is the
schedule's choice (`integer_sums`); the sums are integers, so it changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels import integer_fire, integer_map_rows
from delrec_compile.compiler.kernels.base import Composer, Kernel
from delrec_compile.compiler.kernels.current_rings import rings_of
from delrec_compile.compiler.kernels.finish import StoreSums
from delrec_compile.compiler.kernels.integer_currents import (
    Current,
    Currents,
    arrived,
    with_currents,
)
from delrec_compile.compiler.kernels.integer_finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.integer_sums import (
    FinishTile,
    RegisterSums,
    RowSum,
    WordSums,
    scaled,
    sums_for,
)
from delrec_compile.compiler.kernels.integer_tables import (
    counts_of_parts,
    group_of,
    largest_count,
    tables_of,
)
from delrec_compile.compiler.kernels.map_places import by_place, taps_of, with_places
from delrec_compile.compiler.kernels.nodes import Edge, Rings, nodes_of, state_of
from delrec_compile.compiler.kernels.real_inputs import (
    RealForm,
    integer_form,
    is_kept,
    takes_input,
)
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import INPUT
from delrec_compile.ops import linear
from delrec_compile.ops.value_line import DTYPE
from delrec_compile.targets.schedule import Schedule


def compose_integer(
    network: IntegerNetwork,
    schedule: Schedule,
    *,
    kernel: str = "run",
    generator: str = "llvm",
    counts: str = "float32",
    workspace: Mapping[str, int] = MappingProxyType({}),
) -> Kernel:
    """kernel: one of `Schedule.kernels`. generator: `llvm`, or `c` for C text. counts: dtype of the
    inputs, float32 or uint8. workspace: elements of each dtype that lie in the state, in place of the
    stack.
    """
    emitter, real = Emitter(schedule.of(kernel), generator), integer_form(network, schedule)
    rings = rings_of(network, schedule, ["int32"] * len(network.populations))
    options: dict[str, Any] = {"trace": kernel == "trace", "counts": counts}
    options |= {"workspace": workspace, "real": real, "rings": rings}
    composer = IntegerComposer(network, emitter, **options)
    return composer.kernel(body_of(kernel, schedule))


class IntegerComposer(Composer):
    """Sums and membranes are int32."""

    def __init__(
        self,
        network: IntegerNetwork,
        emitter: Emitter,
        *,
        trace: bool,
        counts: str,
        workspace: Mapping[str, int],
        real: RealForm | None = None,
        rings: Rings,
    ) -> None:
        schedule = emitter.schedule
        nodes = nodes_of(network, rings)
        if real is None:
            nodes = with_places(nodes, schedule)
        products = {} if real is None else real.tables(schedule)
        tables = tables_of(network, schedule, products=products, rings=rings, taps=taps_of(nodes))
        super().__init__(
            nodes,
            emitter,
            trace=trace,
            counts=counts,
            tables=by_place(tables, nodes, schedule),
            state=state_of(nodes, "int32", values=DTYPE if real is None else real.DTYPE),
            workspace=workspace,
            group=group_of(network, schedule),
            real=real,
        )
        self.network = network
        self.counts_of_parts = counts_of_parts(network, schedule) if real is None else None
        self.row_sums = sums_for(emitter, network.numeric.dtype)
        words = isinstance(self.row_sums, WordSums)
        self.real_sums = RegisterSums(emitter) if words else self.row_sums

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        if self.real is not None:
            return self.real.value(self.e, x, lanes)
        largest = self.e.splat(tir.int32(self.network.largest_of(INPUT)), lanes)
        return tir.min(self.e.cast(x, "int32", lanes), largest)

    def input_value(self, x: Any, lanes: int) -> Any:
        if self.real is not None:
            return super().input_value(x, lanes)
        largest = tir.cast(self.network.largest_of(INPUT), self.counts)
        return tir.min(x, self.e.splat(largest, lanes))

    def held_value(self, value: Any) -> Any:
        largest = self.network.largest_of(INPUT)
        if self.real is None:
            return tir.min(value, tir.cast(largest, DTYPE))
        high, low = (tir.cast(end, self.real.DTYPE) for end in (largest, -largest))
        return tir.max(tir.min(value, high), low)

    def sum_type(self, i: int) -> str:
        return "int32"

    def rows(self, i: int, edge: Edge, incoming: Incoming) -> linear.Rows:
        return self._row_sum(i, edge, incoming, "weight").rows(self.e.schedule)

    def _row_sum(self, i: int, edge: Edge, incoming: Incoming, table: str) -> RowSum:
        """Rows of dense synapses of one head."""
        buffer = self.edge_buffers(i, edge)(table)
        largest = largest_count(self.network, edge.source)
        total = self.total_of(i, edge, incoming.events, table)
        return RowSum(incoming, edge.synapses.matrices[0], buffer, largest, total)

    def _is_real(self, edge: Edge) -> bool:
        """Whether real inputs come through it: its weights have a unit of their own."""
        return self.real is not None and edge.of_input

    def keeps_sums(self, i: int) -> bool:
        return any(takes_input(edge) for edge in self.nodes[i].edges)

    def hoists(self, i: int) -> bool:
        alone = is_kept(self.nodes[i]) or not any(self._is_real(e) for e in self.nodes[i].feeds)
        return super().hoists(i) and alone

    def sum_inputs(self, i: int, incoming: Incoming | None, to: Any) -> None:
        node, rows, mapped = self.nodes[i], [], []
        makers = Currents(self.e, self.real_sums, self.network)
        for edge in filter(takes_input, node.edges):
            assert incoming is not None
            if edge.in_rows:
                rows.append(self._row_sum(i, edge, incoming, "weight"))
            else:
                mapped.append(
                    replace(makers.of(edge, incoming, self.edge_buffers(i, edge)), unit=1)
                )
        finish = with_currents(self.e, StoreSums(self.e, to, 0), mapped)
        if rows:
            self.real_sums.emit(node.size, rows, finish, 0)
        else:
            linear.emit(self.e, node.size, always(linear.Sums("int32", finish)))

    def _fed(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows of the undelayed projections that are not of real inputs."""
        pairs = zip(self.nodes[i].edges, now.of_edges, strict=True)
        return [
            self._row_sum(i, edge, own, "weight")
            for edge, own in pairs
            if edge.in_rows and not self._is_real(edge)
        ]

    def _arrived(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows of the dense projections with a delay and one head."""
        out = []
        for edge, arrivals in zip(self.nodes[i].edges, now.of_edges, strict=True):
            if arrivals is not None and self._is_one_head(edge):
                incoming = arrived(self.e, edge, arrivals, 0)
                out.append(self._row_sum(i, edge, incoming, "recurrent"))
        return out

    def row_sums_of(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows that are summed in weight units: of both."""
        return [*self._fed(i, now), *self._arrived(i, now)]

    def currents(self, i: int, now: StepInputs, without: Edge | None = None) -> list[Current]:
        """What comes through all other projections, those of real inputs among them."""
        out = []
        if now.feed is not None and self._feeds_real(i):
            out.append(Current(now.feed, self._real_unit(i)))
        for edge, own in zip(self.nodes[i].edges, now.of_edges, strict=True):
            real = self._is_real(edge)
            in_rows = edge.in_rows and not real
            made = real and edge.line is None and now.feed is not None
            if own is None or made or in_rows or self._is_one_head(edge) or edge is without:
                continue
            sums = self.real_sums if real else self.row_sums
            makers = Currents(self.e, sums, self.network)
            out.append(makers.of(edge, own, self.edge_buffers(i, edge)))
        return out

    def _feeds_real(self, i: int) -> bool:
        """Whether sums of node i that were made before are those of real inputs."""
        return any(self._is_real(edge) for edge in self.nodes[i].feeds)

    def _real_unit(self, i: int) -> int:
        """Membrane units of a unit of what node i gets from real inputs without a delay."""
        return 1 << int(self.nodes[i].part.fraction) - self.network.bits_of(INPUT)

    def _is_one_head(self, edge: Edge) -> bool:
        s = edge.synapses
        rows = edge.line is not None and isinstance(s, IntegerDense) and len(s.matrices) == 1
        return rows and not self._is_real(edge)

    def bound(self, i: int) -> int:
        """Of what a step adds to node i."""
        return int(self.nodes[i].part.bound(self.network.largest_of))

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        if self.nodes[i].places is not None:
            integer_map_rows.fire(self, i, step_inputs(None))
        elif self.row_sums.fuses_neurons:
            self._fire_fused(i, step_inputs, steps)
        else:
            integer_fire.fire(self, i, step_inputs(None))

    def _fire_fused(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any) -> None:
        """The neurons of a tile are updated as soon as its sums are made."""
        part, buffers = self.nodes[i].part, self.buffers_of(i)
        one = step_inputs(None) if steps is None else None
        currents = [] if one is None else self.currents(i, one)

        def sums(step: Any) -> linear.Sums:
            now = one or step_inputs(step)
            finish = FireNeurons(self.e, part.model, buffers, now.spikes, self.bound(i))
            hoisted = now.feed is not None and not self._feeds_real(i)
            feeds = [] if hoisted else [own.rows(self.e.schedule) for own in self._fed(i, now)]
            before = [own.rows(self.e.schedule) for own in self._arrived(i, now)]
            return linear.Sums(
                "int32",
                scaled(self.e, with_currents(self.e, finish, currents), part.fraction),
                feeds[0] if feeds else None,
                [*before, *feeds[1:]],
                start=[now.feed] if hoisted else [],
            )

        together = 1 if steps is None else self.steps_together(i)
        crowded = steps is not None and self.crowds(i)
        linear.emit(self.e, self.nodes[i].size, sums, steps, together=together, crowded=crowded)

    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        part, row = self.nodes[i].part, t * self.outputs
        if first := self.first_output(i):
            row = row + first
        finish = WriteOutputs(self.e, part.readout, self.buffers_of(i), self.y, row, self.bound(i))
        self.sum_rows(i, now, with_currents(self.e, finish, self.currents(i, now)))

    def sum_rows(self, i: int, now: StepInputs, finish: FinishTile) -> None:
        """Sums of all rows of node i, in membrane units; zeros where it has none."""
        n, parts = self.nodes[i].size, self.row_sums_of(i, now)
        if parts:
            self.row_sums.emit(n, parts, finish, self.nodes[i].part.fraction)
        else:
            linear.emit(self.e, n, always(linear.Sums("int32", finish)))
