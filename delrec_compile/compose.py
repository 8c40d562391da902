"""Layers -> one TIR function: a loop over time steps around one event-driven step, state in place.

    kernel(x, y, [spikes,] steps, tables ..., state ...)

x: (steps * inputs,) counts. y: (steps * outputs,) membranes of the readout. spikes, in the tracing
form only: (steps * neurons,) 0/1 as uint8, layer after layer. Tables are the constants, state the
caller's memory, which keeps the leaked-and-reset membranes, the rings of bit planes and the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as tir

from delrec_compile.network import ConvDelay, DenseDelay, Layer, Readout
from delrec_compile.ops import conv_delay, delay_line, lif, linear
from delrec_compile.ops.emit import Emitter, Events
from delrec_compile.ops.schedule import Schedule

UNITS_MOST = (1 << 15) - 1
# the clock turns over before an int32 does; every ring divides its period
CLOCK_MASK = (1 << 30) - 1


@dataclass(frozen=True)
class Kernel:
    """One TIR function and what must be passed to it.

    tables: constants by name, in order. state: (elements, dtype) by name, in order.
    """

    function: Any
    tables: dict[str, NDArray[Any]]
    state: dict[str, tuple[int, str]]
    inputs: int
    outputs: int
    neurons: int


def compose(
    layers: Sequence[Layer],
    readout: Readout,
    schedule: Schedule,
    *,
    trace: bool,
    generator: str = "llvm",
    counts: str = "float32",
    grids: Sequence[int | None] = (),
) -> Kernel:
    """generator: `llvm`, or `c` for C text. counts: dtype of the inputs, float32 or uint8.

    grids: of `freeze.grids`, for schedules that hold rows as `units`; without them none can.
    """
    emitter = Emitter(schedule, generator)
    units = () if schedule.rows == "float32" else grids
    return _Composer(layers, readout, emitter, trace, counts, units).kernel()


def tables_of(
    layers: Sequence[Layer], readout: Readout, schedule: Schedule, grids: Sequence[int | None] = ()
) -> dict[str, NDArray[Any]]:
    """The constants as the kernel reads them: weight rows by sending neuron."""
    out: dict[str, NDArray[Any]] = {}
    held = _holders(layers, readout, schedule, grids)
    for i, (layer, hold) in enumerate(zip(layers, held, strict=False)):
        out[f"l{i}_weight"] = hold.rows(layer.weight.T)
        out[f"l{i}_bias"] = hold.sums(layer.bias)
        out[f"l{i}_lif"] = np.append(lif.constants(layer.lif), hold.unit)
        r = layer.recurrence
        if isinstance(r, ConvDelay):
            out[f"l{i}_kernel"] = hold.sums(r.kernel)
        elif isinstance(r, DenseDelay):
            out[f"l{i}_recurrent"] = hold.rows(r.weight.T)
        if r is not None:
            out[f"l{i}_delay"] = r.delay.astype(np.uint8 if r.depth <= 256 else np.uint16)
    out["out_weight"] = held[-1].rows(readout.weight.T)
    out["out_bias"] = held[-1].sums(readout.bias)
    out["out_leak"] = np.append(np.array([readout.beta], np.float32), held[-1].unit)
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}


@dataclass(frozen=True)
class _Holder:
    """How a layer's constants are held. q: as whole numbers of 2^-q; None: as float32.

    order: which output each place of a row holds.
    """

    q: int | None
    order: tuple[int, ...]

    @property
    def unit(self) -> NDArray[np.float32]:
        """One value, the worth of a unit; none for float32."""
        return np.array([] if self.q is None else [2.0**-self.q], np.float32)

    def rows(self, values: NDArray[np.float32]) -> NDArray[Any]:
        if self.q is None:
            return values
        return np.ldexp(values, self.q).astype(np.int16)[:, list(self.order)]

    def sums(self, values: NDArray[np.float32]) -> NDArray[Any]:
        return values if self.q is None else np.ldexp(values, self.q).astype(np.int32)


def _holders(
    layers: Sequence[Layer], readout: Readout, schedule: Schedule, grids: Sequence[int | None]
) -> list[_Holder]:
    """Units where a layer's rows are whole numbers of them in 16 bits, else float32."""
    parts: list[Layer | Readout] = [*layers, readout]
    out = []
    for part, q in zip(parts, grids or [None] * len(parts), strict=True):
        rows = [part.weight]
        if isinstance(part, Layer) and isinstance(part.recurrence, DenseDelay):
            rows.append(part.recurrence.weight)
        fits = q is not None and max(np.abs(r).max() for r in rows) * 2.0**q <= UNITS_MOST
        out.append(_Holder(q if fits else None, tuple(schedule.order(part.size))))
    return out


def state_of(layers: Sequence[Layer], readout: Readout) -> dict[str, tuple[int, str]]:
    out: dict[str, tuple[int, str]] = {}
    for i, layer in enumerate(layers):
        out[f"l{i}_v"] = (layer.size, "float32")
        if layer.recurrence is not None:
            depth = layer.recurrence.depth
            out[f"l{i}_ring"] = (
                delay_line.planes(depth) * delay_line.words(layer.size),
                "uint32",
            )
    out["out_v"] = (readout.size, "float32")
    out["clock"] = (1, "int32")
    return out


class _Composer:
    def __init__(
        self,
        layers: Sequence[Layer],
        readout: Readout,
        emitter: Emitter,
        trace: bool,
        counts: str,
        grids: Sequence[int | None],
    ) -> None:
        self.counts = counts
        self.layers, self.readout, self.trace = tuple(layers), readout, trace
        self.e = emitter
        self.tables = tables_of(layers, readout, emitter.schedule, grids)
        self.state = state_of(layers, readout)
        self.neurons = sum(layer.size for layer in layers)

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

    def _step(self, t: Any) -> None:
        e, clock = self.e, self.at["clock"]
        base = t * self.layers[0].inputs
        active = e.events(self.layers[0].inputs)
        zero = tir.cast(tir.int32(0), self.counts)
        e.list_active(
            active,
            self.layers[0].inputs,
            lambda at, lanes: e.load(self.x, base + at, lanes) > e.splat(zero, lanes),
        )
        sums = str(self.tables["l0_bias"].dtype)
        counts: Any = lambda j: tir.cast(self.x[base + j], sums)  # noqa: E731
        first = 0
        for i, layer in enumerate(self.layers):
            feed = linear.Rows(active, self.at[f"l{i}_weight"], counts)
            active, counts = self._layer(i, layer, feed), None
            if self.trace:
                self._record(active, t * self.neurons + first, layer.size)
                first += layer.size
        self._readout(t, active)
        e.store(clock, 0, 1, tir.bitwise_and(clock[0] + 1, CLOCK_MASK))

    def _layer(self, i: int, layer: Layer, feed: linear.Rows) -> Events:
        e, n, v = self.e, layer.size, self.at[f"l{i}_v"]
        before, start = self._recurrence(i, layer)
        spikes = e.events(n)
        e.clear(spikes)

        def finish(base: Any, size: int) -> linear.Finish:
            part, constants = e.window(v, base, size), self.at[f"l{i}_lif"]
            return lambda value, at, lanes: lif.emit(
                e,
                constants,
                self._current(value, lanes, constants[3]),
                part,
                spikes,
                base,
                at,
                lanes,
            )

        linear.emit(e, n, before, self.at[f"l{i}_bias"], feed, finish, start)
        if layer.recurrence is not None:
            ring, delay = self.at[f"l{i}_ring"], self.at[f"l{i}_delay"]
            depth = layer.recurrence.depth
            delay_line.emit_push(e, spikes, delay, ring, self.at["clock"][0], depth, n)
        return spikes

    def _current(self, value: Any, lanes: int, unit: Any) -> Any:
        """A sum as float32. Of units it is exact: below 2^24 of them, times a power of two."""
        if str(value.ty.dtype).startswith("float32"):
            return value
        return self.e.cast(value, "float32", lanes) * self.e.splat(unit, lanes)

    def _recurrence(self, i: int, layer: Layer) -> tuple[list[linear.Rows], Any]:
        """Rows to add before the bias, or a ready current to start from."""
        r, e = layer.recurrence, self.e
        if r is None:
            return [], None
        arrivals = e.events(layer.size)
        ring, clock = self.at[f"l{i}_ring"], self.at["clock"][0]
        delay_line.emit_read(e, arrivals, ring, clock, r.depth, layer.size)
        if isinstance(r, DenseDelay):
            return [linear.Rows(arrivals, self.at[f"l{i}_recurrent"])], None
        taps = len(r.kernel)
        current = e.buffer("current", layer.size + taps - 1, str(self.tables[f"l{i}_bias"].dtype))
        conv_delay.emit(e, arrivals, self.at[f"l{i}_kernel"], taps, current, layer.size)
        return [], e.window(current, taps // 2, layer.size)

    def _readout(self, t: Any, spikes: Events) -> None:
        e, n, v, leak = self.e, self.readout.size, self.at["out_v"], self.at["out_leak"]

        def finish(base: Any, size: int) -> linear.Finish:
            part, y = e.window(v, base, size), e.window(self.y, t * n + base, size)

            def take(value: Any, at: int, lanes: int) -> None:
                current = self._current(value, lanes, leak[1])
                m = e.register(lanes, lif.emit_leak(e, leak[0], part, at, lanes) + current)
                e.store(part, at, lanes, e.load(m, 0, lanes))
                e.store(y, at, lanes, e.load(m, 0, lanes))

            return take

        rows = linear.Rows(spikes, self.at["out_weight"])
        linear.emit(e, n, [], self.at["out_bias"], rows, finish)

    def _record(self, spikes: Events, base: Any, n: int) -> None:
        with self.e.loop("i", n) as i:
            self.e.store(self.spikes, base + i, 1, tir.uint8(0))
        with self.e.each(spikes) as j:
            self.e.store(self.spikes, base + j, 1, tir.uint8(1))
