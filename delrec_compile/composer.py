"""What every numeric form of a step shares: arguments, event lists, delay lines, the T loop.

    kernel(x, y, [spikes,] steps, tables ..., state ...)

x: (steps * inputs,) counts. y: (steps * outputs,) membranes of the readout. spikes, in the tracing
form only: (steps * neurons,) 0/1 as uint8, layer after layer. Tables are the constants, state the
caller's memory, which keeps the leaked-and-reset membranes, the rings of bit planes and the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.ops import delay_line, plane_taps
from delrec_compile.ops.emit import BY_TABLE, Emitter, Events, places

# the clock turns over before an int32 does; every ring divides its period
CLOCK_MASK = (1 << 30) - 1
Tables = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Kernel:
    """One TIR function and what must be passed to it.

    tables: constants by name, in order. state: (elements, dtype) by name, in order.
    """

    function: Any
    tables: Tables
    state: dict[str, tuple[int, str]]
    inputs: int
    outputs: int
    neurons: int


def state_of(
    layers: Sequence[Any], readout: Any, membrane: str = "float32"
) -> dict[str, tuple[int, str]]:
    """One stream's state. membrane: its type."""
    out: dict[str, tuple[int, str]] = {}
    for i, layer in enumerate(layers):
        out[f"l{i}_v"] = (layer.size, membrane)
        if layer.recurrence is not None:
            depth = layer.recurrence.depth
            out[f"l{i}_ring"] = (
                delay_line.planes(depth) * delay_line.words(layer.size),
                "uint32",
            )
    out["out_v"] = (readout.size, membrane)
    out["clock"] = (1, "int32")
    return out


def delay_table(recurrence: Any) -> NDArray[Any]:
    """The delays, in the smallest type."""
    delay: NDArray[Any] = recurrence.delay
    return delay.astype(np.uint8 if recurrence.depth <= 256 else np.uint16)


@dataclass(frozen=True)
class Incoming:
    """What a layer or the readout takes in. count: of an event, as int32; None: each counts 1.

    group: inputs to an event, their counts side by side in its int32.
    """

    events: Events
    count: Callable[[Any], Any] | None = None
    group: int = 1


class Composer(ABC):
    """Layers with `size`, `inputs` and `recurrence` (with `depth`, or None), and a readout."""

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
        group: int = 1,
    ) -> None:
        self.layers, self.readout, self.trace = tuple(layers), readout, trace
        if emitter.schedule.events in BY_TABLE:
            tables = {**tables, "places": places()}
        self.e, self.counts, self.tables, self.state = emitter, counts, tables, state
        self.neurons = sum(layer.size for layer in layers)
        self.group = group  # inputs side by side in the rows of the first layer

    @abstractmethod
    def fire(self, i: int, incoming: Incoming, arrivals: Any, spikes: Events) -> None:
        """Sums the currents of layer i, updates its membranes, appends to its spikes.

        arrivals: Events, or Shifted of a conv recurrence; None without one.
        """

    @abstractmethod
    def read_out(self, t: Any, incoming: Incoming) -> None:
        """Updates the readout and writes the outputs of step t."""

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        """Inputs as counts."""
        return self.e.cast(x, "int32", lanes)

    def kernel(self) -> Kernel:
        with IRBuilder() as builder, tir.prim_func(s_tir=True):
            tir.func_name("kernel")
            tir.func_attr({"tirx.noalias": True})
            self._arguments()
            with self.e.loop("t", self.steps) as t:
                self._step(t)
        inputs, outputs = self.layers[0].inputs, self.readout.size
        return Kernel(builder.get(), self.tables, self.state, inputs, outputs, self.neurons)

    def _arguments(self) -> None:
        # x and y come from the caller and may lie at any address; tables and state are aligned
        def loose(name: str, dtype: str, align: int) -> Any:
            return tir.arg(name, tir.buffer((1 << 30,), dtype, align=align))

        self.x = loose("x", self.counts, 4 if self.counts == "float32" else 1)
        self.y = loose("y", "float32", 4)
        if self.trace:
            self.spikes = tir.arg("spikes", tir.buffer((1 << 30,), "uint8", align=1))
        self.steps = tir.arg("steps", tir.int32())
        self.at: dict[str, Any] = {}
        for name, table in self.tables.items():
            self.at[name] = tir.arg(name, tir.buffer((table.size,), str(table.dtype)))
        for name, (size, dtype) in self.state.items():
            self.at[name] = tir.arg(name, tir.buffer((size,), dtype))
        self.e.places = self.at.get("places")

    def _step(self, t: Any) -> None:
        e, clock = self.e, self.at["clock"]
        base = t * self.layers[0].inputs
        incoming = self._grouped(base) if self.group > 1 else self._counted(base)
        first = 0
        for i, layer in enumerate(self.layers):
            incoming = Incoming(self._layer(i, layer, incoming))
            if self.trace:
                self._record(incoming.events, t * self.neurons + first, layer.size)
                first += layer.size
        self.read_out(t, incoming)
        e.store(clock, 0, 1, tir.bitwise_and(clock[0] + 1, CLOCK_MASK))

    def _counted(self, base: Any) -> Incoming:
        """The inputs of a step as events."""
        e, n = self.e, self.layers[0].inputs
        active, zero = e.events(n), e.zero(self.counts, 1)
        e.list_active(
            active, n, lambda at, lanes: e.load(self.x, base + at, lanes) > e.splat(zero, lanes)
        )
        return Incoming(active, lambda j: self.count_of(self.x[base + j]))

    def _grouped(self, base: Any) -> Incoming:
        """The inputs of a step as events of `group` inputs, side by side in one int32."""
        e, n, group = self.e, self.layers[0].inputs, self.group
        kind, words = f"int{32 // group}", -(-n // group)
        wide = group * e.schedule.lanes
        room = -(-n // wide) * wide
        packed, counts = e.buffer("packed", room, kind), e.buffer("counts", room // group, "int32")
        if n < room:
            e.store(packed, room - wide, wide, e.zero(kind, wide))
        for at, lanes in e.blocks(n):
            value = self.count_of(e.load(self.x, base + at, lanes), lanes)
            e.store(packed, at, lanes, e.cast(value, kind, lanes))
        for at in range(0, room, wide):
            value = tir.reinterpret(f"int32x{e.schedule.lanes}", e.load(packed, at, wide))
            e.store(counts, at // group, e.schedule.lanes, value)
        active = e.events(words)
        e.list_active(
            active, words, lambda at, lanes: e.load(counts, at, lanes) != e.zero("int32", lanes)
        )
        return Incoming(active, lambda j: counts[j], group)

    def _layer(self, i: int, layer: Any, incoming: Incoming) -> Events:
        e, n, r = self.e, layer.size, layer.recurrence
        arrivals: Any = None
        if r is not None:
            ring, clock = self.at[f"l{i}_ring"], self.at["clock"][0]
            if e.schedule.taps == "planes" and r.kind == "conv_delay":
                arrivals = plane_taps.emit_read(e, ring, clock, r.depth, r.kernel.shape[0], n)
            else:
                arrivals = e.events(n)
                delay_line.emit_read(e, arrivals, ring, clock, r.depth, n)
        spikes = e.events(n)
        e.clear(spikes)
        self.fire(i, incoming, arrivals, spikes)
        if r is not None:
            delay = self.at[f"l{i}_delay"]
            delay_line.emit_push(e, spikes, delay, ring, clock, r.depth, n)
        return spikes

    def _record(self, spikes: Events, base: Any, n: int) -> None:
        with self.e.loop("i", n) as i:
            self.e.store(self.spikes, base + i, 1, tir.uint8(0))
        with self.e.each(spikes) as j:
            self.e.store(self.spikes, base + j, 1, tir.uint8(1))
