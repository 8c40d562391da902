"""Shared parts of the kernels of a step: arguments, event lists, delay lines, the T loop.

    kernel(x, y, [spikes,] steps, tables ..., state ...)

x: (steps * inputs,) counts. y: (steps * outputs,) of the readouts. spikes, in the tracing form only:
(steps * neurons,) 0/1 as uint8, population after population. Tables are the constants, state the
caller's memory, which holds the leaked-and-reset membranes, the rings of bit planes and the clock.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.artifact.abi import WORK
from delrec_compile.compiler.kernels import map_rows
from delrec_compile.compiler.kernels.feed_sums import FeedSums
from delrec_compile.compiler.kernels.histories import (
    history_state,
    is_masked,
    masked,
    masks_of,
    with_histories,
)
from delrec_compile.compiler.kernels.nodes import RING, Edge, Node
from delrec_compile.compiler.kernels.real_inputs import (
    KeptSums,
    RealForm,
    scaled,
)
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import BY_TABLE, places
from delrec_compile.network.model import INPUT
from delrec_compile.ops import value_line
from delrec_compile.ops.current_ring import CurrentRing

# the clock turns over before an int32 does; every ring divides its period
CLOCK_MASK = (1 << 30) - 1
Tables = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Kernel:
    """One TIR function and its arguments.

    tables: constants by name, in order. state: (elements, dtype) by name, in order. arrays: elements of
    each dtype of its temporary arrays. stack: bytes of those that lie on the stack. single: whether it
    is one step, which the C around it calls for each.
    """

    function: Any
    tables: Tables
    state: dict[str, tuple[int, str]]
    inputs: int
    outputs: int
    neurons: int
    arrays: dict[str, int]
    stack: int
    single: bool = field(default=False, kw_only=True)


class Composer(FeedSums):
    """Nodes in their order, each with its edges."""

    def __init__(
        self,
        nodes: Sequence[Node],
        emitter: Emitter,
        *,
        trace: bool,
        counts: str,
        tables: Tables,
        state: dict[str, tuple[int, str]],
        workspace: Mapping[str, int],
        group: int = 1,
        shared: Mapping[str, str] = MappingProxyType({}),
        real: RealForm | None = None,
    ) -> None:
        self.nodes, self.trace = with_histories(nodes, emitter.schedule), trace
        tables, state = masked(tables, self.nodes), state | history_state(self.nodes)
        if emitter.schedule.events in BY_TABLE:
            tables = {**tables, "places": places()}
        self.e, self.counts, self.tables, self.workspace = emitter, counts, tables, workspace
        self.state = {**state, **{WORK + k: (n, k) for k, n in workspace.items()}}
        self.group = group  # inputs interleaved in the rows of what the input feeds
        self.shared = shared  # names of tables that are stored once, by their other names
        self.real = real  # how real inputs are taken; None: they are counts
        self.kept: KeptSums | None = None

    @property
    def neurons(self) -> int:
        """Neurons that fire."""
        return sum(node.size for node in self.nodes if node.fires)

    @property
    def outputs(self) -> int:
        """Values of y of a step."""
        return sum(node.size for node in self.nodes if not node.fires)

    @abstractmethod
    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        """Sums the currents of node i, updates its membranes, appends to its spikes.

        step_inputs: inputs at a step. steps: as in `linear.emit`, of a node without delays.
        """

    @abstractmethod
    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        """Updates the readout i and writes its outputs of step t."""

    def kernel(self, body: Callable[[Composer], None] | None = None) -> Kernel:
        """body: emits all steps; by default one after the other."""
        with IRBuilder() as builder, tir.prim_func(s_tir=True):
            tir.func_name("kernel")
            tir.func_attr({"tirx.noalias": True})
            self._arguments()
            if body is not None:
                body(self)
            else:
                self._all_steps()
        parts = (self.tables, self.state, self.inputs, self.outputs, self.neurons)
        single = body is None and self._is_single
        return Kernel(builder.get(), *parts, dict(self.e.arrays), self.e.stack, single=single)

    @property
    def _is_single(self) -> bool:
        """Whether it is one step: LLVM reads all constants before a loop over steps.

        Not of real inputs, of which the loop keeps sums while they repeat.
        """
        e = self.e
        blocked = e.schedule.chunk > 0 and e.generator == "llvm"
        return blocked and not self.trace and self.real is None

    def _all_steps(self) -> None:
        if self._is_single:
            self._step(tir.int32(0))
            return
        self.kept = None if self.real is None else KeptSums(self, self.real)
        with self.e.loop("t", self.steps) as t:
            self._step(t)

    def _arguments(self) -> None:
        # x and y come from the caller and may lie at any address; tables and state are aligned
        def loose(name: str, dtype: str, align: int) -> Any:
            return tir.arg(name, tir.buffer((1 << 30,), dtype, align=align))

        self.x = loose("x", self.counts, 4 if self.counts == "float32" else 1)
        self.y = loose("y", "float32", 4)
        if self.trace:
            self.spikes = tir.arg("spikes", tir.buffer((1 << 30,), "uint8", align=1))
        self.steps = tir.arg("steps", tir.int32())
        self.buffers: dict[str, Any] = {}
        for name, table in self.tables.items():
            self.buffers[name] = tir.arg(name, tir.buffer((table.size,), str(table.dtype)))
        for name, (size, dtype) in self.state.items():
            self.buffers[name] = tir.arg(name, tir.buffer((size,), dtype))
        self.buffers |= {name: self.buffers[of] for name, of in self.shared.items()}
        self.e.places = self.buffers.get("places")
        self.e.workspace = {dtype: self.buffers[WORK + dtype] for dtype in self.workspace}

    def _step(self, t: Any) -> None:
        e, clock = self.e, self.buffers["clock"]
        now = self.clock()
        sent: dict[str, Any] = {}
        if self.kept is not None:
            sent[INPUT] = self.kept.take(t)
        elif self.lists_inputs:
            sent[INPUT] = self.input_lists(None)(None, t)
            self.list_inputs(sent[INPUT], t)
        first = 0
        for i, node in enumerate(self.nodes):
            events = self.spike_lists(i)(None) if node.fires else None
            fed = None if self.kept is None else self.kept.sums.get(i)
            of_edges = self.of_edges(i, sent.__getitem__, now, t)
            inputs = StepInputs(of_edges, events, fed, fed is not None)
            if events is None:
                self.read_out(i, t, inputs)
                continue
            map_rows.clear(e, events)
            self.fire(i, always(inputs))
            self.push_spikes(node.name, events, now)
            if self.trace:
                self._record(map_rows.flat(events), t * self.neurons + first, node.size)
                first += node.size
            self.turn(i, events)
            sent[node.name] = map_rows.incoming(events)
        e.store(clock, 0, 1, tir.bitwise_and(now + 1, CLOCK_MASK))

    def spike_lists(
        self, i: int, many: int | None = None, late: bool = False
    ) -> Callable[[Any], Any]:
        """Lists of the spikes of node i of `many` steps, or of one, by their number.

        late: see `EventLists.lists`.
        """
        node, e = self.nodes[i], self.e
        if node.places is None:
            turns, words = self.turns(i), self.lists_words(i)
            planed = words or is_masked(self.nodes, node.name)
            if many:
                return e.lists(node.size, many, planed=planed, turns=turns, late=late)
            return always(e.events(node.size, planed=planed, turns=turns))
        edges = [edge for other in self.nodes for edge in other.edges if edge.source == node.name]
        flat = self.trace or any(edge.taps is None for edge in edges)
        return map_rows.lists(e, node.places, many, flat)

    def of_edges(self, i: int, sent: Callable[[str], Incoming], now: Any, t: Any) -> list[Any]:
        """What comes in through each projection of node i. sent: by source. now: the clock."""
        out: list[Any] = []
        for edge in self.nodes[i].edges:
            if edge.line is None:
                out.append(sent(edge.source))
            elif edge.of_input:
                out.append(self._delayed_inputs(i, edge, now, t))
            else:
                buffers = self.edge_buffers(i, edge)
                ring, memory = buffers(RING), edge.ring or edge.line
                if not edge.first:
                    events = sent(edge.source).events
                    memory.push(self.e, events, ring, now, buffers, edge.first)
                out.append(memory.arrivals(self.e, ring, now, edge.first, *masks_of(edge, buffers)))
        return out

    def _delayed_inputs(self, i: int, edge: Edge, now: Any, t: Any) -> Any:
        """The inputs that arrive through a delay, after this step's are in its memory."""
        assert edge.line is not None
        e, base = self.e, t * self.inputs
        if edge.ring is not None:
            return self._pushed_inputs(edge.ring, self.edge_buffers(i, edge), now, base)
        ring = value_line.ValueRing.of(edge.line, now, self.edge_buffers(i, edge))
        ring.write(e, lambda at, lanes: self.input_value(e.load(self.x, base + at, lanes), lanes))
        worth = 1.0 if self.real is None else self.real.worth(self.sum_type(i))
        kind = self.sum_type(i)
        return ring.arrivals(e, lambda value: scaled(e, self.held_value(value), kind, worth))

    def _pushed_inputs(self, line: CurrentRing, buffers: Any, now: Any, base: Any) -> Any:
        """The current that arrives, after this step's counts are on their way."""
        e, zero = self.e, self.e.zero(self.counts, 1)
        events = e.events(self.inputs)

        def count(j: Any) -> Any:
            value = e.cast(self.input_value(self.x[base + j], 1), value_line.DTYPE, 1)
            return e.cast(value, line.dtype, 1)

        e.list_active(
            events,
            self.inputs,
            lambda at, lanes: e.load(self.x, base + at, lanes) > e.splat(zero, lanes),
        )
        line.push(e, events, buffers(RING), now, buffers, 0, count)
        return line.arrivals(e, buffers(RING), now)

    def push_spikes(self, source: str, spikes: Any, now: Any) -> None:
        """Sends spikes on their delayed way back: through projections that close a cycle."""
        flat = map_rows.flat(spikes)
        for i, node in enumerate(self.nodes):
            for edge in node.delayed:
                if edge.source == source and edge.first:
                    buffers = self.edge_buffers(i, edge)
                    memory = edge.ring or edge.line
                    memory.push(self.e, flat, buffers(RING), now, buffers)

    def clock(self) -> Any:
        """The time of this step, which any state holds: far from the ends of int32."""
        return self.e.bind("now", tir.bitwise_and(self.buffers["clock"][0], CLOCK_MASK))

    def bind_now(self, s: Any) -> Any:
        """The time of step s of a chunk."""
        return self.e.bind("now", self.clock() + s)

    def buffers_of(self, i: int) -> Callable[[str], Any]:
        """Tables and state of node i, by local name."""
        return lambda name: self.buffers[self.nodes[i].prefix + name]

    def edge_buffers(self, i: int, edge: Edge) -> Callable[[str], Any]:
        """Tables and state of a projection into node i, by local name."""
        return lambda name: self.buffers[self.nodes[i].prefix + edge.prefix + name]

    def first_output(self, i: int) -> int:
        """Place of the first output of readout i in y."""
        return sum(node.size for node in self.nodes[:i] if not node.fires)

    def _record(self, spikes: Any, base: Any, n: int) -> None:
        with self.e.loop("i", n) as i:
            self.e.store(self.spikes, base + i, 1, tir.uint8(0))
        with self.e.each(spikes) as j:
            self.e.store(self.spikes, base + j, 1, tir.uint8(1))
