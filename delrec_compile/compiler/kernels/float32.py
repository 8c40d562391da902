"""float32 layers -> one TIR function: a loop over time steps around one event-driven step.

See `base` for its arguments. Sums are float32, or integers in units of a power of two: on a grid
where every sum is exact they are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from delrec_compile.aliases import INT16_MAX
from delrec_compile.compiler.kernels import map_rows
from delrec_compile.compiler.kernels.base import Composer, Kernel
from delrec_compile.compiler.kernels.current_rings import rings_of
from delrec_compile.compiler.kernels.finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.float32_tables import (
    GridFormat,
    of_input,
    tables_of,
    weight_formats,
)
from delrec_compile.compiler.kernels.map_places import by_place, taps_of, with_places
from delrec_compile.compiler.kernels.nodes import Edge, Rings, nodes_of, state_of
from delrec_compile.compiler.kernels.real_inputs import RealForm, real_form
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.model import Network
from delrec_compile.ops import linear
from delrec_compile.ops import maps_tir as maps_op
from delrec_compile.ops.value_line import DTYPE
from delrec_compile.targets.schedule import Schedule


def compose(
    network: Network,
    schedule: Schedule,
    *,
    kernel: str = "run",
    generator: str = "llvm",
    counts: str = "float32",
    grids: Sequence[int | None] = (),
    workspace: Mapping[str, int] = MappingProxyType({}),
) -> Kernel:
    """kernel: one of `Schedule.kernels`. generator: `llvm`, or `c` for C text. counts: dtype of the
    inputs, float32 or uint8.

    grids: see `network.grid.grids`; schedules that hold rows as `units` need them. workspace: elements
    of each dtype that lie in the state, in place of the stack.
    """
    formats = weight_formats(network, schedule, () if schedule.rows == "float32" else grids)
    exact = [
        form.sum_dtype if q is not None else None
        for form, q in zip(formats, grids or [None] * len(formats), strict=True)
    ]
    return Float32Composer(
        network,
        Emitter(schedule.of(kernel), generator),
        formats,
        trace=kernel == "trace",
        counts=counts,
        exact=bool(grids) and all(grids[i] is not None for i in of_input(network)),
        workspace=workspace,
        real=real_form(network, schedule, grids, formats[of_input(network)[0]].sum_dtype),
        rings=rings_of(network, schedule, exact),
    ).kernel(body_of(kernel, schedule))


class Float32Composer(Composer):
    """Membranes and outputs are float32; the type of sums is that of the formats.

    exact: whether sums of inputs, which have counts, have no rounding error. short: whether counts are
    integers of 16 bits.
    """

    def __init__(
        self,
        network: Network,
        emitter: Emitter,
        formats: Sequence[GridFormat],
        *,
        trace: bool,
        counts: str,
        exact: bool,
        workspace: Mapping[str, int],
        real: RealForm | None = None,
        rings: Rings = MappingProxyType({}),
    ) -> None:
        products = {} if real is None else real.tables(emitter.schedule)
        nodes = nodes_of(network, rings)
        if real is None:
            nodes = with_places(nodes, emitter.schedule)
        tables, shared = tables_of(
            network, formats, products=products, rings=rings, taps=taps_of(nodes)
        )
        super().__init__(
            nodes,
            emitter,
            trace=trace,
            counts=counts,
            tables=by_place(tables, nodes, emitter.schedule),
            state=state_of(nodes, values=DTYPE if real is None else real.DTYPE),
            workspace=workspace,
            group=max(form.group for form in formats),
            shared=shared,
            real=real,
        )
        self.formats, self.exact = tuple(formats), exact
        self.of_counts = self.formats[of_input(network)[0]].sum_dtype
        whole = real is None and self.of_counts == "int32"
        self.short = whole and network.max_input <= INT16_MAX

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        if self.real is not None:
            return self.real.value(self.e, x, lanes)
        return self.e.cast(x, self.of_counts, lanes)

    def sum_type(self, i: int) -> str:
        return self.formats[i].sum_dtype

    def rows(self, i: int, edge: Edge, incoming: Incoming) -> linear.Rows:
        weight = self.edge_buffers(i, edge)("weight")
        exact = self.exact or incoming.count is None
        halves = str(weight.dtype) == "int16" and not edge.of_input
        return linear.Rows(
            incoming.events,
            weight,
            incoming.count,
            incoming.group,
            exact=exact,
            short=self.short,
            total=self.total_of(i, edge, incoming.events),
            gone=incoming.gone,
            joined=self.e.schedule.joins and halves,
        )

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        node, buffers = self.nodes[i], self.buffers_of(i)
        if node.places is not None:
            self._fire_rows(i, step_inputs(None))
            return

        def finish(now: StepInputs) -> FireNeurons:
            return FireNeurons(self.e, node.part.model, buffers, now.spikes)

        self._sum(i, step_inputs, finish, steps)

    def _fire_rows(self, i: int, now: StepInputs) -> None:
        """Of a node with places."""
        e, node, dtype = self.e, self.nodes[i], self.sum_type(i)
        edges = list(zip(node.edges, now.of_edges, strict=True))
        reach = max(edge.taps.reach for edge in node.edges)
        rows = map_rows.rows_of(e, edges, dtype, reach, exact=self.exact)

        def take(sums: Any, local: Any, spikes: Any, size: int) -> None:
            finish = FireNeurons(e, node.part.model, local, spikes)
            terms = linear.Sums(dtype, finish, None, [], local("bias"), [v for v, _ in sums])
            linear.emit(e, size, always(terms))

        map_rows.fire(self, i, now, [rows], take)

    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        node, buffers = self.nodes[i], self.buffers_of(i)
        row = t * self.outputs
        if first := self.first_output(i):
            row = row + first
        finish = WriteOutputs(self.e, node.part.readout, buffers, self.y, row)
        self._sum(i, always(now), lambda _: finish)

    def _sum(
        self,
        i: int,
        step_inputs: Callable[[Any], StepInputs],
        finish: Callable[[StepInputs], Any],
        steps: Any = None,
    ) -> None:
        """Sums of the currents of node i, given to `finish`."""
        one = step_inputs(None) if steps is None else None
        before, start = ([], []) if one is None else self._delayed(i, one)
        if one is not None and not one.whole:
            start += self.mapped_feeds(i, one)

        def sums(step: Any) -> linear.Sums:
            now = one or step_inputs(step)
            feeds = [] if now.feed is not None else self.feed_rows(i, now)
            begin = start if now.feed is None else [*start, now.feed]
            return linear.Sums(
                self.sum_type(i),
                finish(now),
                feeds[0] if feeds else None,
                [*before, *feeds[1:]],
                self.buffers_of(i)("bias"),
                begin,
            )

        together = 1 if steps is None else self.steps_together(i)
        linear.emit(self.e, self.nodes[i].size, sums, steps, together=together)

    def _delayed(self, i: int, now: StepInputs) -> tuple[list[linear.Rows], list[Any]]:
        """Rows to add before the bias, and finished currents to start from."""
        before: list[linear.Rows] = []
        start: list[Any] = []
        for edge, arrivals in zip(self.nodes[i].edges, now.of_edges, strict=True):
            if edge.ring is not None:
                start.append(arrivals)
            elif edge.line is not None:
                buffers = self.edge_buffers(i, edge)
                rows, current = edge.synapses.emit(self.e, arrivals, buffers, self.sum_type(i))
                before += rows
                start += [] if current is None else [current]
        return before, start

    def mapped_feeds(self, i: int, now: StepInputs) -> list[Any]:
        """Currents of the undelayed convolutions of node i, summed event by event."""
        e, out = self.e, []
        for edge, incoming in zip(self.nodes[i].edges, now.of_edges, strict=True):
            if edge.line is None and not edge.in_rows:
                maps, weight = edge.synapses.maps, self.edge_buffers(i, edge)("weight")
                sums = maps_op.sums(e, maps, self.sum_type(i))
                options = {"count": incoming.count, "exact": self.exact}
                maps_op.scatter(e, maps, incoming.events, weight, sums, **options)
                out.append(maps_op.without_margins(e, maps, sums))
        return out
