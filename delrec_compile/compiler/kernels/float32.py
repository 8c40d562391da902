"""float32 layers -> one TIR function: a loop over time steps around one event-driven step.

See `base` for its arguments. Sums are float32, or integers in units of a power of two: on a grid
where every sum is exact they are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import INT16_MAX
from delrec_compile.compiler.kernels.base import (
    Composer,
    Incoming,
    Kernel,
    StepInputs,
    always,
    state_of,
)
from delrec_compile.compiler.kernels.finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.nodes import Edge, nodes_of
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.errors import NetworkError
from delrec_compile.network.grid import row_bits
from delrec_compile.network.model import INPUT, Convolution, Dense, Network, Projection, Synapses
from delrec_compile.ops import linear
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops.feed import Feed
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
    return Float32Composer(
        network,
        Emitter(schedule.of(kernel), generator),
        formats,
        trace=kernel == "trace",
        counts=counts,
        exact=bool(grids) and all(grids[i] is not None for i in of_input(network)),
        workspace=workspace,
    ).kernel(body_of(kernel, schedule))


def of_input(network: Network) -> tuple[int, ...]:
    """Indices of the populations that take the input."""
    return tuple(
        i
        for i, p in enumerate(network.populations)
        if any(each.source == INPUT for each in p.projections)
    )


def tables_of(
    network: Network, formats: Sequence[GridFormat], *, gpu: bool = False
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The constants as the kernel reads them, weight rows by sending neuron; and names that stand for
    a table that another projection has."""
    out: dict[str, NDArray[Any]] = {}
    same: dict[str, str] = {}
    stored: list[tuple[Any, GridFormat, str, list[str]]] = []
    for p, form in zip(network.populations, formats, strict=True):
        neurons = {"bias": form.as_accumulators(p.biases), **p.neuron.tables(form.unit)}
        for each in p.projections:
            if each is not p.feed:
                out |= _new(out, p.prefix, neurons)
                neurons = {}
            prefix = p.prefix + each.prefix
            known = next((k for k in stored if k[0] is each.synapses and k[1] == form), None)
            if known is not None:
                same |= {prefix + name: known[2] + name for name in known[3]}
                continue
            own = synapse_tables(each, form, gpu)
            stored.append((each.synapses, form, prefix, list(own)))
            out |= _new(out, prefix, own)
        out |= _new(out, p.prefix, neurons)
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}, same


def _new(
    known: Mapping[str, Any], prefix: str, own: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Tables by their full names. Raises NetworkError for a name that is taken."""
    out = {prefix + name: table for name, table in own.items()}
    for name in out:
        if name in known:
            raise NetworkError(f"two tables are called '{name}'; rename a population")
    return out


def synapse_tables(each: Projection, form: GridFormat, gpu: bool) -> dict[str, NDArray[Any]]:
    """The constants of a projection."""
    s = each.synapses
    if isinstance(s, Dense):
        return {"weight": form.as_rows(s.weight.T, form.group if each.source == INPUT else 1)}
    if isinstance(s, Convolution):
        return {"weight": form.as_weights(s.maps.table(s.kernel))}
    assert isinstance(s, Synapses)
    return s.gpu_tables(form) if gpu else s.tables(form)


@dataclass(frozen=True)
class GridFormat:
    """A `WeightFormat`. q: weights are integers in units of 2^-q, of 16 bits where a table fits them,
    else of 32; None: float32.

    order: output that each place of a row of 16 bits holds. group: inputs whose rows are interleaved.
    """

    q: int | None
    order: tuple[int, ...]
    group: int = 1

    @property
    def unit(self) -> NDArray[np.float32]:
        """One value, the worth of a unit; none for float32."""
        return np.array([] if self.q is None else [2.0**-self.q], np.float32)

    @property
    def sum_dtype(self) -> str:
        """dtype of sums of the weights."""
        return "float32" if self.q is None else "int32"

    def as_rows(self, values: NDArray[np.float32], group: int = 1) -> NDArray[Any]:
        """See `WeightFormat.as_rows`. group: as in `linear.Rows`."""
        if self.q is None:
            return values
        units = self.as_weights(values)
        if group > 1:
            return linear.interleave_rows(units, group)
        return units[:, list(self.order)] if units.dtype == np.int16 else units

    def as_weights(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """See `WeightFormat.as_weights`."""
        if self.q is None:
            return values
        kind = np.int16 if row_bits(values, self.q) == 16 else np.int32
        return np.ldexp(values, self.q).astype(kind)

    def as_accumulators(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """See `WeightFormat.as_accumulators`."""
        return values if self.q is None else np.ldexp(values, self.q).astype(np.int32)


def weight_formats(
    network: Network, schedule: Schedule, grids: Sequence[int | None] = ()
) -> tuple[GridFormat, ...]:
    """Format of each population: integers where sums are exact on a grid, or float32.

    Populations that take the input have one type of sums, and one group of its rows.
    """
    parts = network.populations
    qs = list(grids or [None] * len(parts))
    fed = of_input(network)
    if any(qs[i] is None for i in fed):
        qs = [None if i in fed else q for i, q in enumerate(qs)]
    group = _group(network, schedule, qs)
    return tuple(
        GridFormat(q, tuple(schedule.order(p.size, 16)), group if i in fed else 1)
        for i, (p, q) in enumerate(zip(parts, qs, strict=True))
    )


def _group(network: Network, schedule: Schedule, qs: Sequence[int | None]) -> int:
    """Inputs whose rows are interleaved: the same in all projections that have no delay."""
    groups = set()
    for p, q in zip(network.populations, qs, strict=True):
        for each in p.projections:
            s = each.synapses
            if each.source == INPUT and isinstance(s, Feed):
                fits = isinstance(s, Dense) and row_bits(s.weight, q) == 16
                groups.add(schedule.inputs(16, p.size, INT16_MAX) if fits else 1)
    return groups.pop() if len(groups) == 1 else 1


class Float32Composer(Composer):
    """Membranes and outputs are float32; the type of sums is that of the formats.

    exact: whether sums of inputs, which have counts, have no rounding error.
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
    ) -> None:
        nodes, (tables, shared) = nodes_of(network), tables_of(network, formats)
        super().__init__(
            nodes,
            emitter,
            trace=trace,
            counts=counts,
            tables=tables,
            state=state_of(nodes),
            workspace=workspace,
            group=max(form.group for form in formats),
            shared=shared,
        )
        self.formats, self.exact = tuple(formats), exact
        self.of_counts = self.formats[of_input(network)[0]].sum_dtype

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        return self.e.cast(x, self.of_counts, lanes)

    def sum_type(self, i: int) -> str:
        return self.formats[i].sum_dtype

    def rows(self, i: int, edge: Edge, incoming: Incoming) -> linear.Rows:
        weight = self.edge_buffers(i, edge)("weight")
        exact = self.exact or incoming.count is None
        return linear.Rows(incoming.events, weight, incoming.count, incoming.group, exact=exact)

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        node, buffers = self.nodes[i], self.buffers_of(i)

        def finish(now: StepInputs) -> FireNeurons:
            return FireNeurons(self.e, node.part.model, buffers, now.spikes)

        self._sum(i, step_inputs, finish, steps)

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
        if one is not None:
            start += self._mapped_feeds(i, one)

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

        linear.emit(self.e, self.nodes[i].size, sums, steps)

    def _delayed(self, i: int, now: StepInputs) -> tuple[list[linear.Rows], list[Any]]:
        """Rows to add before the bias, and finished currents to start from."""
        before: list[linear.Rows] = []
        start: list[Any] = []
        for edge, arrivals in zip(self.nodes[i].edges, now.of_edges, strict=True):
            if edge.line is not None:
                buffers = self.edge_buffers(i, edge)
                rows, current = edge.synapses.emit(self.e, arrivals, buffers, self.sum_type(i))
                before += rows
                start += [] if current is None else [current]
        return before, start

    def _mapped_feeds(self, i: int, now: StepInputs) -> list[Any]:
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
