"""An integer network -> one TIR function: the step of `integer`, in whole numbers throughout.

See `composer` for its arguments; membranes are int32, y is float32. What a sum of weight rows is
held in is the schedule's choice; the sums are whole numbers, so it changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm.tirx.script import builder as tir

from delrec_compile.aliases import Ints
from delrec_compile.compiler.kernels.base import Composer, Incoming, Kernel, StepInputs, state_of
from delrec_compile.compiler.kernels.integer_tables import (
    group_of,
    in_words,
    is_narrow,
    reset_of,
    tables_of,
)
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.network.integer.layers import IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.recurrence import IntegerConv, IntegerDense
from delrec_compile.ops import byte_rows, conv_delay, integer_lif, linear
from delrec_compile.ops.byte_rows import ByteRows
from delrec_compile.ops.integer_lif import LIMIT, Neurons
from delrec_compile.ops.plane_taps import ShiftedPlanes
from delrec_compile.targets.schedule import Schedule

# what comes in, the weights, their table, and the largest count of an event
RowSum = tuple[Incoming, Ints, Any, int]


def compose_integer(
    network: IntegerNetwork,
    schedule: Schedule,
    *,
    kernel: str = "run",
    generator: str = "llvm",
    counts: str = "float32",
) -> Kernel:
    """kernel: of `Schedule.kernels`. generator: `llvm`, or `c` for C text. counts: dtype of the
    inputs, float32 or uint8.
    """
    return _Composer(
        network.layers,
        network.readout,
        Emitter(schedule.of(kernel), generator),
        trace=kernel == "trace",
        counts=counts,
        tables=tables_of(network, schedule),
        group=group_of(network.layers[0].weight, schedule, network.max_input),
        state=state_of(network.layers, network.readout, "int32"),
        max_input=network.max_input,
    ).kernel(body_of(kernel, schedule))


class _Composer(Composer):
    def __init__(self, *parts: Any, max_input: int, **rest: Any) -> None:
        super().__init__(*parts, **rest)
        self.max_input = max_input

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        most = self.e.splat(tir.int32(self.max_input), lanes)
        return tir.min(self.e.cast(x, "int32", lanes), most)

    @property
    def sum_types(self) -> list[str]:
        return ["int32"] * len(self.layers)

    def rows(self, i: int, incoming: Incoming) -> linear.Rows:
        return self._rows_of(self._row_sum(i, incoming))

    def _row_sum(self, i: int, incoming: Incoming) -> RowSum:
        return incoming, self.layers[i].weight, self.at[f"l{i}_weight"], self._most(i)

    def _rows_of(self, part: RowSum) -> linear.Rows:
        c, weight, table, most = part
        narrow = is_narrow(weight, self.e.schedule, most)
        return linear.Rows(c.events, table, c.count, c.group, narrow)

    def fire(self, i: int, at: Callable[[Any], StepInputs], steps: Any = None) -> None:
        e, layer = self.e, self.layers[i]
        if self._apart(layer):
            self._fire_apart(i, at(None))
            return
        one = at(None) if steps is None else None
        r, arrivals = layer.recurrence, None if one is None else one.arrivals
        current = None
        if isinstance(r, IntegerConv) and arrivals is not None:
            current = self._conv(i, r, arrivals)

        def sums(step: Any) -> linear.Sums:
            now = one or at(step)
            finish = self._scaled(self._finish(i, current, now.spikes), layer.fraction)
            rows = self.rows(i, now.incoming) if now.feed is None else None
            begin = [] if now.feed is None else [now.feed]
            return linear.Sums("int32", finish, rows, self._recurrent(i, arrivals), start=begin)

        linear.emit(e, layer.size, sums, steps)

    def _apart(self, layer: IntegerLayer) -> bool:
        return self.e.schedule.bytes == "memory" or in_words(layer.weight, self.e.schedule)

    def _recurrent(self, i: int, arrivals: Any) -> list[linear.Rows]:
        r = self.layers[i].recurrence
        if arrivals is None or not isinstance(r, IntegerDense):
            return []
        return [
            self._rows_of((Incoming(arrivals.read(0)), r.weight, self.at[f"l{i}_recurrent"], 1))
        ]

    def _finish(self, i: int, current: Any, spikes: Events) -> Callable[[Any, int], linear.Finish]:
        """What takes sums in membrane units. current: the recurrent one, or None."""
        e = self.e

        def finish(base: Any, size: int) -> linear.Finish:
            part, neurons = e.view(self.at[f"l{i}_v"], base, size), self._neurons(i, base, size)
            side = None if current is None else e.view(current, base, size)

            def take(value: Any, at: int, lanes: int) -> None:
                total = value if side is None else value + e.load(side, at, lanes)
                integer_lif.emit(e, neurons, total, part, spikes, base, at, lanes)

            return take

        return finish

    def _most(self, i: int) -> int:
        return self.max_input if i == 0 else 1

    def _neurons(self, i: int, base: Any, size: int, biased: bool = True) -> Neurons:
        e, layer, reset = self.e, self.layers[i], reset_of(self.layers[i])

        def part(name: str) -> Any:
            return e.view(self.at[f"l{i}_{name}"], base, size)

        soft = layer.drop is not None
        return Neurons(
            layer.beta if isinstance(layer.beta, int) else part("beta"),
            part("bias") if biased else None,
            part("threshold"),
            reset if soft or isinstance(reset, int) else part("reset"),
            layer.clamps(self._most(i)),
            layer.reset,
            part("drop") if soft else None,
        )

    def _fire_apart(self, i: int, now: StepInputs) -> None:
        """First all currents, then all neurons: each loop has the few pointers that it needs."""
        e, layer, arrivals = self.e, self.layers[i], now.arrivals
        r, n, spikes = layer.recurrence, layer.size, now.spikes
        rows = [self._row_sum(i, now.incoming)]
        if isinstance(r, IntegerDense) and arrivals is not None:
            rows.append((Incoming(arrivals.read(0)), r.weight, self.at[f"l{i}_recurrent"], 1))
        pad = r.taps // 2 if isinstance(r, IntegerConv) else 0
        current = e.buffer("current", n + 2 * pad, "int32")
        for q in range(pad):
            e.store(current, q, 1, tir.int32(0))
            e.store(current, pad + n + q, 1, tir.int32(0))

        def finish(base: Any, size: int) -> linear.Finish:
            to = e.view(current, pad + base, size)
            bias = e.view(self.at[f"l{i}_bias"], base, size)

            def take(value: Any, at: int, lanes: int) -> None:
                e.store(to, at, lanes, value + e.load(bias, at, lanes))

            return take

        self._sum(n, rows, finish, layer.fraction)
        if isinstance(r, IntegerConv) and arrivals is not None:
            kernel, unit = self.at[f"l{i}_kernel"], 1 << r.shift
            conv_delay.scatter(e, arrivals, kernel, r.taps, current, n, unit)
        if e.schedule.bytes == "memory":
            neurons, here = self._neurons(i, 0, n, False), e.view(current, pad, n)
            integer_lif.emit_in_loops(e, n, neurons, here, self.at[f"l{i}_v"], spikes)
            return
        for base, size in e.runs(n, e.schedule.neurons):
            part, neurons = (
                e.view(self.at[f"l{i}_v"], base, size),
                self._neurons(i, base, size, False),
            )
            here = e.view(current, pad + base, size)
            for k in range(size):
                integer_lif.emit(e, neurons, e.load(here, k, 1), part, spikes, base, k, 1)

    def _sum(
        self,
        n: int,
        rows: list[RowSum],
        finish: Callable[[Any, int], linear.Finish],
        fraction: int,
    ) -> None:
        """Sums of n outputs over all rows, in membrane units."""
        e = self.e
        worst = sum(np.abs(w.astype(np.int64)).sum(axis=1) * most for _, w, _, most in rows)
        fits = bool(np.max(worst) <= linear.INT16_MAX)
        if not in_words(rows[0][1], e.schedule):
            one, *others = (self._rows_of(part) for part in rows)
            scaled = self._scaled(finish, fraction)
            if e.schedule.bytes == "memory":
                linear.emit_in_memory(e, n, [*others, one], scaled, fits)
            else:
                sums = linear.Sums("int32", scaled, one, others)
                linear.emit(e, n, lambda _: sums)
            return
        made = []
        for c, weight, table, most in rows:
            parts = None
            # parts of one kind of rows alone are counted; where all fit, none are needed
            if not fits or c.count is not None:
                limit = linear.INT16_MAX // max(1, int(np.abs(weight.astype(np.int64)).max()))
                inputs = weight.shape[1]
                parts = byte_rows.emit_parts(e, c.events, c.count, inputs, most, limit)
            made.append(ByteRows(c.events, table, c.count, parts))
        byte_rows.emit(e, n, made, finish, fraction)

    def _scaled(
        self, finish: Callable[[Any, int], linear.Finish], fraction: int
    ) -> Callable[[Any, int], linear.Finish]:
        """`finish`, given sums of weight units."""

        def made(base: Any, size: int) -> linear.Finish:
            take, unit = finish(base, size), tir.int32(1 << fraction)
            return lambda value, at, lanes: take(value * self.e.splat(unit, lanes), at, lanes)

        return made

    def _conv(self, i: int, r: IntegerConv, arrivals: Any) -> Any:
        """The recurrent current of each neuron, in membrane units."""
        e, taps, kernel = self.e, r.taps, self.at[f"l{i}_kernel"]
        if isinstance(arrivals, ShiftedPlanes):

            def tap(k: int, first: Any, lanes: int) -> Any:
                return e.load(kernel, k * r.size + first, lanes)

            return arrivals.current(e, tap)
        assert arrivals is not None
        current = e.buffer("current", r.size + taps - 1, "int32")
        conv_delay.emit_rows(e, arrivals, kernel, taps, current, r.size, 1 << r.shift)
        return e.view(current, taps // 2, r.size)

    def read_out(self, t: Any, incoming: Incoming) -> None:
        e, n = self.e, self.readout.size
        readout: IntegerReadout = self.readout
        names = ["out_bias", "out_unit", *(["out_v"] if readout.has_membrane else [])]

        def finish(base: Any, size: int) -> linear.Finish:
            bias, unit, *kept = (e.view(self.at[name], base, size) for name in names)
            y = e.view(self.y, t * n + base, size)

            def take(value: Any, at: int, lanes: int) -> None:
                own = e.load(bias, at, lanes)
                total = value if readout.kind == "count" else value + own
                for v in kept:
                    total = self._integrate(v, total, at, lanes)
                if readout.kind == "count":
                    total = total + own
                e.store(y, at, lanes, e.cast(total, "float32", lanes) * e.load(unit, at, lanes))

            return take

        self._sum(
            n, [(incoming, readout.weight, self.at["out_weight"], 1)], finish, readout.fraction
        )

    def _integrate(self, v: Any, added: Any, at: int, lanes: int) -> Any:
        """Updates one block of the readout's membranes; returns it."""
        e, readout = self.e, self.readout
        old = e.register(lanes, e.load(v, at, lanes), "int32")
        leaked = integer_lif.emit_leak(e, readout.beta, e.load(old, 0, lanes), lanes)
        m = e.register(lanes, leaked + added, "int32")
        if readout.clamps():
            low, high = (e.splat(tir.int32(end), lanes) for end in (-LIMIT, LIMIT - 1))
            e.store(m, 0, lanes, tir.min(tir.max(e.load(m, 0, lanes), low), high))
        e.store(v, at, lanes, e.load(m, 0, lanes))
        return e.load(m, 0, lanes)
