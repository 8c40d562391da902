"""Shared parts of the kernels of a step: arguments, event lists, delay lines, the T loop.

    kernel(x, y, [spikes,] steps, tables ..., state ...)

x: (steps * inputs,) counts. y: (steps * outputs,) membranes of the readout. spikes, in the tracing
form only: (steps * neurons,) 0/1 as uint8, layer after layer. Tables are the constants, state the
caller's memory, which holds the leaked-and-reset membranes, the rings of bit planes and the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.artifact.abi import WORK
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import BY_TABLE, Events, places
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.ops.arrivals import Line
from delrec_compile.ops.linear import Rows

# the clock turns over before an int32 does; every ring divides its period
CLOCK_MASK = (1 << 30) - 1
Tables = dict[str, NDArray[Any]]
T = TypeVar("T")


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
    layers: Sequence[Any],
    readout: Any,
    membrane: str = "float32",
    words: Callable[[Line], int] = lambda line: line.words(),
) -> dict[str, tuple[int, str]]:
    """State of one stream: (elements, dtype) by name.

    membrane: dtype of the state variables. words: 32-bit words of the memory of a delay line.
    """
    out: dict[str, tuple[int, str]] = {}
    for i, layer in enumerate(layers):
        prefix = layer_prefix(i)
        out |= {prefix + name: (layer.size, membrane) for name in layer.states}
        if layer.recurrence is not None:
            out[prefix + "ring"] = (words(layer.recurrence.line), "uint32")
    out |= {READOUT + name: (readout.size, membrane) for name in readout.states}
    out["clock"] = (1, "int32")
    return out


@dataclass(frozen=True)
class Incoming:
    """Input of a layer or of the readout. count: int32 count of an event; None: each counts 1.

    group: inputs per event, their counts packed into one int32. packed: buffer of packed counts.
    """

    events: Events
    count: Callable[[Any], Any] | None = None
    group: int = 1
    packed: Any = None


@dataclass(frozen=True)
class StepInputs:
    """Inputs of a layer at one time step, and the list that its spikes are appended to.

    arrivals: Arrivals, or ShiftedPlanes of a conv recurrence; None without a recurrence. feed: sums
    of the incoming rows, where they were made before; None: they are made from `incoming`.
    """

    incoming: Incoming
    spikes: Events
    arrivals: Any = None
    feed: Any = None


def always(value: T) -> Callable[[Any], T]:
    """The same at every step."""
    return lambda _: value


class Composer(ABC):
    """Layers with `size`, `inputs` and `recurrence` (with `line`, or None), and a readout."""

    def __init__(
        self,
        layers: Sequence[Any],
        readout: Any,
        emitter: Emitter,
        *,
        trace: bool,
        counts: str,
        tables: Tables,
        state: dict[str, tuple[int, str]],
        workspace: Mapping[str, int],
        group: int = 1,
    ) -> None:
        self.layers, self.readout, self.trace = tuple(layers), readout, trace
        if emitter.schedule.events in BY_TABLE:
            tables = {**tables, "places": places()}
        self.e, self.counts, self.tables, self.workspace = emitter, counts, tables, workspace
        self.state = {**state, **{WORK + k: (n, k) for k, n in workspace.items()}}
        self.neurons = sum(layer.size for layer in layers)
        self.group = group  # inputs interleaved in the rows of the first layer

    @abstractmethod
    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        """Sums the currents of layer i, updates its membranes, appends to its spikes.

        step_inputs: inputs at a step. steps: as in `linear.emit`, of a layer without recurrence.
        """

    @abstractmethod
    def rows(self, i: int, incoming: Incoming) -> Rows:
        """Weight rows of the inputs of layer i."""

    @property
    @abstractmethod
    def sum_types(self) -> list[str]:
        """dtype of the sums of each layer."""

    @abstractmethod
    def read_out(self, t: Any, incoming: Incoming) -> None:
        """Updates the readout and writes the outputs of step t."""

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
                with self.e.loop("t", self.steps) as t:
                    self._step(t)
        inputs, outputs = self.layers[0].inputs, self.readout.size
        parts = (self.tables, self.state, inputs, outputs, self.neurons)
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
        self.e.places = self.buffers.get("places")
        self.e.workspace = {dtype: self.buffers[WORK + dtype] for dtype in self.workspace}

    def _step(self, t: Any) -> None:
        e, clock = self.e, self.buffers["clock"]
        now = self.clock()
        incoming = self.input_lists(None)(None, t)
        self.list_inputs(incoming, t)
        first = 0
        for i, layer in enumerate(self.layers):
            inputs = StepInputs(incoming, e.events(layer.size), self.read_arrivals(i, now))
            e.clear(inputs.spikes)
            self.fire(i, always(inputs))
            self.push_spikes(i, inputs.spikes, now)
            incoming = Incoming(inputs.spikes)
            if self.trace:
                self._record(inputs.spikes, t * self.neurons + first, layer.size)
                first += layer.size
        self.read_out(t, incoming)
        e.store(clock, 0, 1, tir.bitwise_and(now + 1, CLOCK_MASK))

    def clock(self) -> Any:
        """The time of this step, which any state holds: far from the ends of int32."""
        return self.e.bind("now", tir.bitwise_and(self.buffers["clock"][0], CLOCK_MASK))

    def input_lists(self, many: int | None) -> Callable[[Any, Any], Incoming]:
        """Lists of the inputs of `many` steps, or of one, as (number of the list, step of x)."""
        e, n, group = self.e, self.layers[0].inputs, self.group
        words, room = -(-n // group), self._packed // group
        lists = e.lists(words, many) if many else always(e.events(words))
        counts = e.buffer("counts", (many or 1) * room, "int32") if group > 1 else None

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
        n: int = self.layers[0].inputs
        wide = self.group * self.e.schedule.lanes
        return -(-n // wide) * wide

    def list_inputs(self, incoming: Incoming, t: Any) -> None:
        """Lists the inputs of step t."""
        e, n, base = self.e, self.layers[0].inputs, t * self.layers[0].inputs
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
        e, n, group, room = self.e, self.layers[0].inputs, self.group, self._packed
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
        """Whether the inputs of layer i can be summed for many steps at once."""
        return getattr(self.layers[i], "maps", None) is None

    def read_arrivals(self, i: int, clock: Any) -> Any:
        """Delayed spikes that arrive at layer i at a step; None without a recurrence."""
        r = self.layers[i].recurrence
        ring = self.layer_buffers(i)
        return None if r is None else r.line.arrivals(self.e, ring("ring"), clock)

    def push_spikes(self, i: int, spikes: Events, clock: Any) -> None:
        """Sends the spikes of layer i on their delayed way back to it."""
        r = self.layers[i].recurrence
        if r is not None:
            buffers = self.layer_buffers(i)
            r.line.push(self.e, spikes, buffers("ring"), clock, buffers)

    def layer_buffers(self, i: int) -> Callable[[str], Any]:
        """Tables and state of layer i, by local name."""
        return lambda name: self.buffers[layer_prefix(i) + name]

    def readout_buffers(self, name: str) -> Any:
        """A table or state variable of the readout, by local name."""
        return self.buffers[READOUT + name]

    def _record(self, spikes: Events, base: Any, n: int) -> None:
        with self.e.loop("i", n) as i:
            self.e.store(self.spikes, base + i, 1, tir.uint8(0))
        with self.e.each(spikes) as j:
            self.e.store(self.spikes, base + j, 1, tir.uint8(1))
