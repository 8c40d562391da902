"""An integer network -> one TIR function: the step of `network.integer.model`, in int32 throughout.

See `base` for its arguments; membranes are int32, y is float32. How weight rows are summed is the
schedule's choice (`integer_sums`); the sums are integers, so it changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import Composer, Kernel, state_of
from delrec_compile.compiler.kernels.integer_currents import Current, Currents, with_currents
from delrec_compile.compiler.kernels.integer_finish import FireNeurons, StoreCurrents, WriteOutputs
from delrec_compile.compiler.kernels.integer_sums import FinishTile, RowSum, scaled, sums_for
from delrec_compile.compiler.kernels.integer_tables import group_of, tables_of
from delrec_compile.compiler.kernels.nodes import Edge, nodes_of
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.integer.linear import IntegerDense
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv
from delrec_compile.network.model import INPUT
from delrec_compile.ops import conv_delay, linear
from delrec_compile.ops.arrivals import Arrivals
from delrec_compile.ops.synapses import of_head
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
    emitter = Emitter(schedule.of(kernel), generator)
    tables = tables_of(network, schedule)
    options: dict[str, Any] = {"trace": kernel == "trace", "counts": counts}
    composer = IntegerComposer(network, emitter, tables, workspace=workspace, **options)
    return composer.kernel(body_of(kernel, schedule))


class IntegerComposer(Composer):
    """Sums and membranes are int32."""

    def __init__(
        self,
        network: IntegerNetwork,
        emitter: Emitter,
        tables: dict[str, Any],
        *,
        trace: bool,
        counts: str,
        workspace: Mapping[str, int],
    ) -> None:
        nodes = nodes_of(network)
        super().__init__(
            nodes,
            emitter,
            trace=trace,
            counts=counts,
            tables=tables,
            state=state_of(nodes, "int32"),
            workspace=workspace,
            group=group_of(network, emitter.schedule),
        )
        self.network = network
        self.row_sums = sums_for(emitter, network.numeric.dtype)

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        largest = self.e.splat(tir.int32(self.network.largest_of(INPUT)), lanes)
        return tir.min(self.e.cast(x, "int32", lanes), largest)

    def input_value(self, x: Any, lanes: int) -> Any:
        largest = tir.cast(self.network.largest_of(INPUT), self.counts)
        return tir.min(x, self.e.splat(largest, lanes))

    def sum_type(self, i: int) -> str:
        return "int32"

    def rows(self, i: int, edge: Edge, incoming: Incoming) -> linear.Rows:
        return self._row_sum(i, edge, incoming, "weight").rows(self.e.schedule)

    def _row_sum(self, i: int, edge: Edge, incoming: Incoming, table: str) -> RowSum:
        """Rows of dense synapses of one head."""
        buffer, largest = self.edge_buffers(i, edge)(table), self.network.largest_of(edge.source)
        return RowSum(incoming, edge.synapses.matrices[0], buffer, largest)

    def _fed(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows of the undelayed projections."""
        pairs = zip(self.nodes[i].edges, now.of_edges, strict=True)
        return [self._row_sum(i, edge, own, "weight") for edge, own in pairs if edge.in_rows]

    def _arrived(self, i: int, now: StepInputs) -> list[RowSum]:
        """Rows of the dense projections with a delay and one head."""
        out = []
        for edge, arrivals in zip(self.nodes[i].edges, now.of_edges, strict=True):
            if arrivals is not None and _is_one_head(edge):
                incoming = Incoming(arrivals.read(0), of_head(arrivals.count, 0))
                out.append(self._row_sum(i, edge, incoming, "recurrent"))
        return out

    def _currents(self, i: int, now: StepInputs, without: Edge | None = None) -> list[Current]:
        """What comes through all other projections."""
        makers = Currents(self.e, self.row_sums, self.network)
        return [
            makers.of(edge, own, self.edge_buffers(i, edge))
            for edge, own in zip(self.nodes[i].edges, now.of_edges, strict=True)
            if own is not None and not (edge.in_rows or _is_one_head(edge) or edge is without)
        ]

    def bound(self, i: int) -> int:
        """Of what a step adds to node i."""
        return int(self.nodes[i].part.bound(self.network.largest_of))

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        if self.row_sums.fuses_neurons:
            self._fire_fused(i, step_inputs, steps)
        else:
            self._fire_apart(i, step_inputs(None))

    def _fire_fused(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any) -> None:
        """The neurons of a tile are updated as soon as its sums are made."""
        part, buffers = self.nodes[i].part, self.buffers_of(i)
        one = step_inputs(None) if steps is None else None
        currents = [] if one is None else self._currents(i, one)

        def sums(step: Any) -> linear.Sums:
            now = one or step_inputs(step)
            finish = FireNeurons(self.e, part.model, buffers, now.spikes, self.bound(i))
            feeds = [] if now.feed is not None else self.feed_rows(i, now)
            before = [own.rows(self.e.schedule) for own in self._arrived(i, now)]
            return linear.Sums(
                "int32",
                scaled(self.e, with_currents(self.e, finish, currents), part.fraction),
                feeds[0] if feeds else None,
                [*before, *feeds[1:]],
                start=[] if now.feed is None else [now.feed],
            )

        linear.emit(self.e, self.nodes[i].size, sums, steps)

    def _fire_apart(self, i: int, now: StepInputs) -> None:
        """First all currents, then all neurons: each loop has the few pointers that it needs."""
        e, node, buffers = self.e, self.nodes[i], self.buffers_of(i)
        n, model = node.size, node.part.model
        direct = next(
            (x for x in zip(node.edges, now.of_edges, strict=True) if _scatters(*x)), None
        )
        pad = direct[0].synapses.taps // 2 if direct else 0
        current = e.buffer("current", n + 2 * pad, "int32")
        for q in range(pad):
            e.store(current, q, 1, tir.int32(0))
            e.store(current, pad + n + q, 1, tir.int32(0))
        self._sum_rows(i, now, StoreCurrents(e, current, pad, buffers("bias")))
        if direct:
            s, kernel = direct[0].synapses, self.edge_buffers(i, direct[0])("kernel")
            conv_delay.scatter(e, direct[1], kernel, s.taps, current, n, 1 << s.shift)
        for part in self._currents(i, now, direct[0] if direct else None):
            with e.loop("k", n) as k:
                e.store(current, pad + k, 1, e.load(current, pad + k, 1) + part.at(e, k, 1))
        bound = self.bound(i)
        if e.schedule.bytes == "memory":
            neurons = model.tile(e, buffers, 0, n, bound, biased=False)
            neurons.update_in_loops(n, e.view(current, pad, n), now.spikes)
            return
        for base, size in e.runs(n, e.schedule.neurons):
            neurons = model.tile(e, buffers, base, size, bound, biased=False)
            here = e.view(current, pad + base, size)
            for k in range(size):
                neurons.update(e.load(here, k, 1), now.spikes, k, 1)

    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        part, row = self.nodes[i].part, t * self.outputs
        if first := self.first_output(i):
            row = row + first
        finish = WriteOutputs(self.e, part.readout, self.buffers_of(i), self.y, row, self.bound(i))
        self._sum_rows(i, now, with_currents(self.e, finish, self._currents(i, now)))

    def _sum_rows(self, i: int, now: StepInputs, finish: FinishTile) -> None:
        """Sums of all rows of node i, in membrane units; zeros where it has none."""
        n, parts = self.nodes[i].size, [*self._fed(i, now), *self._arrived(i, now)]
        if parts:
            self.row_sums.emit(n, parts, finish, self.nodes[i].part.fraction)
        else:
            linear.emit(self.e, n, always(linear.Sums("int32", finish)))


def _is_one_head(edge: Edge) -> bool:
    s = edge.synapses
    return edge.line is not None and isinstance(s, IntegerDense) and len(s.matrices) == 1


def _scatters(edge: Edge, arrivals: Any) -> bool:
    """Whether spikes add their kernels to a buffer with margins."""
    plain = isinstance(arrivals, Arrivals) and arrivals.count is None
    return plain and isinstance(edge.synapses, IntegerConv)
