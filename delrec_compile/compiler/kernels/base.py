"""Shared parts of the kernels of a step: arguments, event lists, delay lines, the T loop.

    kernel(x, y, [spikes,] steps, tables ..., state ...)

x: (steps * inputs,) counts. y: (steps * outputs,) of the readouts. spikes, in the tracing form only:
(steps * neurons,) 0/1 as uint8, population after population. Tables are the constants, state the
caller's memory, which holds the leaked-and-reset membranes, the rings of bit planes and the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.artifact.abi import WORK
from delrec_compile.compiler.kernels.finish import StoreSums
from delrec_compile.compiler.kernels.nodes import RING, Edge, Node
from delrec_compile.compiler.kernels.real_inputs import (
    KeptSums,
    RealForm,
    is_kept,
    list_values,
    listed_values,
    scaled,
    takes_input,
)
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs, always
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import BY_TABLE, Events, places
from delrec_compile.network.model import INPUT
from delrec_compile.ops import linear, value_line
from delrec_compile.ops.arrivals import Arrivals, Line
from delrec_compile.ops.linear import Rows

# the clock turns over before an int32 does; every ring divides its period
CLOCK_MASK = (1 << 30) - 1
Tables = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Kernel:
    """One TIR function and its arguments.

    tables: constants by name, in order. state: (elements, dtype) by name, in order. arrays: elements of
    each dtype of its temporary arrays. stack: bytes of those that lie on the stack.
    """

    function: Any
    tables: Tables
    state: dict[str, tuple[int, str]]
    inputs: int
    outputs: int
    neurons: int
    arrays: dict[str, int]
    stack: int


def state_of(
    nodes: Sequence[Node],
    membrane: str = "float32",
    words: Callable[[Line], int] = lambda line: line.words(),
    values: str = value_line.DTYPE,
) -> dict[str, tuple[int, str]]:
    """State of one stream: (elements, dtype) by name.

    membrane: dtype of the state variables. words: 32-bit words of the memory of a delay line. values:
    dtype of inputs in that of theirs.
    """
    out: dict[str, tuple[int, str]] = {}
    for node in nodes:
        out |= {node.prefix + name: (node.size, membrane) for name in node.states}
        for edge in node.delayed:
            memory = (words(edge.line), "uint32")
            if edge.of_input:
                memory = (value_line.elements(edge.line), values)
            out[node.prefix + edge.prefix + RING] = memory
    out["clock"] = (1, "int32")
    return out


class Composer(ABC):
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
        self.nodes, self.trace = tuple(nodes), trace
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
    def inputs(self) -> int:
        """Values of x of a step."""
        return next(e.sources for node in self.nodes for e in node.edges if e.of_input)

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
    def rows(self, i: int, edge: Edge, incoming: Incoming) -> Rows:
        """Weight rows of an undelayed projection into node i."""

    @abstractmethod
    def sum_type(self, i: int) -> str:
        """dtype of the sums of node i."""

    @abstractmethod
    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        """Updates the readout i and writes its outputs of step t."""

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        """Inputs as counts, in the type of the sums."""
        return self.e.cast(x, "int32", lanes)

    def kernel(self, body: Callable[[Composer], None] | None = None) -> Kernel:
        """body: emits all steps; by default one after the other."""
        with IRBuilder() as builder, tir.prim_func(s_tir=True):
            tir.func_name("kernel")
            tir.func_attr({"tirx.noalias": True})
            self._arguments()
            if body is not None:
                body(self)
            else:
                self.kept = None if self.real is None else KeptSums(self, self.real)
                with self.e.loop("t", self.steps) as t:
                    self._step(t)
        parts = (self.tables, self.state, self.inputs, self.outputs, self.neurons)
        return Kernel(builder.get(), *parts, dict(self.e.arrays), self.e.stack)

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
            events = e.events(node.size) if node.fires else None
            fed = None if self.kept is None else self.kept.sums.get(i)
            of_edges = self.of_edges(i, sent.__getitem__, now, t)
            inputs = StepInputs(of_edges, events, fed, fed is not None)
            if events is None:
                self.read_out(i, t, inputs)
                continue
            e.clear(events)
            self.fire(i, always(inputs))
            self.push_spikes(node.name, events, now)
            sent[node.name] = Incoming(events)
            if self.trace:
                self._record(events, t * self.neurons + first, node.size)
                first += node.size
        e.store(clock, 0, 1, tir.bitwise_and(now + 1, CLOCK_MASK))

    @property
    def lists_inputs(self) -> bool:
        """Whether a projection from the input has no delay."""
        return any(edge.of_input and edge.line is None for n in self.nodes for edge in n.edges)

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
                ring = buffers(RING)
                if not edge.first:
                    events = sent(edge.source).events
                    edge.line.push(self.e, events, ring, now, buffers, edge.first)
                out.append(edge.line.arrivals(self.e, ring, now, edge.first))
        return out

    def _delayed_inputs(self, i: int, edge: Edge, now: Any, t: Any) -> Arrivals:
        """The inputs that arrive through a delay, after this step's are in its memory."""
        assert edge.line is not None
        e, base = self.e, t * self.inputs
        ring = value_line.ValueRing.of(edge.line, now, self.edge_buffers(i, edge))
        ring.write(e, lambda at, lanes: self.input_value(e.load(self.x, base + at, lanes), lanes))
        worth = 1.0 if self.real is None else self.real.worth(self.sum_type(i))
        return ring.arrivals(e, lambda value: scaled(e, value, self.sum_type(i), worth))

    def input_value(self, x: Any, lanes: int) -> Any:
        """An input as the memory of a delay takes it."""
        if self.real is not None:
            return self.real.input.emit(self.e, x, lanes)
        return self.e.T.min(x, self.e.splat(self.e.T.cast(255, self.counts), lanes))

    def push_spikes(self, source: str, spikes: Events, now: Any) -> None:
        """Sends spikes on their delayed way back: through projections that close a cycle."""
        for i, node in enumerate(self.nodes):
            for edge in node.delayed:
                if edge.source == source and edge.first:
                    buffers = self.edge_buffers(i, edge)
                    edge.line.push(self.e, spikes, buffers(RING), now, buffers)

    def clock(self) -> Any:
        """The time of this step, which any state holds: far from the ends of int32."""
        return self.e.bind("now", tir.bitwise_and(self.buffers["clock"][0], CLOCK_MASK))

    def input_lists(self, many: int | None) -> Callable[[Any, Any], Incoming]:
        """Lists of the inputs of `many` steps, or of one, as (number of the list, step of x)."""
        e, n, group = self.e, self.inputs, self.group
        words, room = -(-n // group), self._packed // group
        lists = e.lists(words, many) if many else always(e.events(words))
        counts = e.buffer("counts", (many or 1) * room, "int32") if group > 1 else None
        if counts is None and self.real is not None:
            return listed_values(self, lists, many)

        def at(k: Any, t: Any) -> Incoming:
            if counts is None:
                base = t * n
                return Incoming(lists(k), lambda j: self.count_of(self.x[base + j]))
            own: Any = e.view(counts, 0 if k is None else k * room, room)
            return Incoming(lists(k), lambda j: own[j], group, own)

        return at

    @property
    def _packed(self) -> int:
        """Inputs, rounded up to full vectors of packed counts."""
        n = self.inputs
        wide = self.group * self.e.schedule.lanes
        return -(-n // wide) * wide

    def list_inputs(self, incoming: Incoming, t: Any) -> None:
        """Lists the inputs of step t."""
        e, n, base = self.e, self.inputs, t * self.inputs
        if incoming.group == 1 and self.real is not None:
            list_values(self, incoming, base)
            return
        if incoming.group == 1:
            zero = e.zero(self.counts, 1)
            e.list_active(
                incoming.events,
                n,
                lambda at, lanes: e.load(self.x, base + at, lanes) > e.splat(zero, lanes),
            )
            return
        self._pack(incoming.packed, base)
        e.list_active(
            incoming.events,
            -(-n // self.group),
            lambda at, lanes: e.load(incoming.packed, at, lanes) != e.zero("int32", lanes),
        )

    def _pack(self, counts: Any, base: Any) -> None:
        """The inputs from `base` on, `group` of them packed into each int32 of counts."""
        e, n, group, room = self.e, self.inputs, self.group, self._packed
        kind, wide = f"int{32 // group}", group * e.schedule.lanes
        packed = e.buffer("packed", room, kind)
        if n < room:
            e.store(packed, room - wide, wide, e.zero(kind, wide))
        for at, lanes in e.blocks(n):
            value = self.count_of(e.load(self.x, base + at, lanes), lanes)
            e.store(packed, at, lanes, e.cast(value, kind, lanes))
        for at in range(0, room, wide):
            value = tir.reinterpret(f"int32x{e.schedule.lanes}", e.load(packed, at, wide))
            e.store(counts, at // group, e.schedule.lanes, value)

    def hoists(self, i: int) -> bool:
        """Whether undelayed projections of node i can be summed for many steps at once."""
        feeds = self.nodes[i].feeds
        return bool(feeds) and all(edge.in_rows for edge in feeds)

    def keeps(self, i: int) -> bool:
        """Whether sums of node i that were hoisted are made anew only where the inputs changed."""
        return self.real is not None and self.hoists(i) and is_kept(self.nodes[i])

    def sum_inputs(self, i: int, incoming: Incoming | None, to: Any) -> None:
        """Sums of all undelayed maps of node i, which are of the input, stored."""
        node = self.nodes[i]
        now = StepInputs([incoming if takes_input(edge) else None for edge in node.edges])
        start, rows = self.mapped_feeds(i, now), self.feed_rows(i, now)
        after, before = (rows[0], rows[1:]) if rows else (None, [])
        sums = linear.Sums(self.sum_type(i), StoreSums(self.e, to, 0), after, before, None, start)
        linear.emit(self.e, node.size, lambda _: sums)

    def mapped_feeds(self, i: int, now: StepInputs) -> list[Any]:
        """Currents of the undelayed convolutions of node i, summed event by event."""
        return []

    def sum_feeds(
        self,
        i: int,
        step_inputs: Callable[[Any], StepInputs],
        to: Any,
        steps: Any,
        unchanged: Any = None,
    ) -> None:
        """Sums of the undelayed projections of node i at all steps, stored step after step.

        unchanged: marks of the steps whose sums are those of the step before; None: there is none.
        """
        n = self.nodes[i].size

        def sums(s: Any) -> linear.Sums:
            one, *others = self.feed_rows(i, step_inputs(s))
            return linear.Sums(self.sum_type(i), StoreSums(self.e, to, s * n), one, others)

        def kept(s: Any) -> tuple[Any, Any]:
            return unchanged[s] != 0, self.e.view(to, (s - 1) * n, n)

        linear.emit(self.e, n, sums, steps, None if unchanged is None else kept)

    def feed_rows(self, i: int, now: StepInputs) -> list[Rows]:
        """Weight rows of the undelayed projections of node i that have them."""
        pairs = zip(self.nodes[i].edges, now.of_edges, strict=True)
        return [self.rows(i, edge, incoming) for edge, incoming in pairs if edge.in_rows]

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

    def _record(self, spikes: Events, base: Any, n: int) -> None:
        with self.e.loop("i", n) as i:
            self.e.store(self.spikes, base + i, 1, tir.uint8(0))
        with self.e.each(spikes) as j:
            self.e.store(self.spikes, base + j, 1, tir.uint8(1))
