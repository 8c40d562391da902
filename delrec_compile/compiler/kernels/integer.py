"""An integer network -> one TIR function: the step of `network.integer.model`, in int32 throughout.

See `base` for its arguments; membranes are int32, y is float32. How weight rows are summed is the
schedule's choice (`integer_sums`); the sums are integers, so it changes no bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from tvm.tirx.script import builder as tir

from delrec_compile.compiler.kernels.base import Composer, Kernel, state_of
from delrec_compile.compiler.kernels.finish import Buffers
from delrec_compile.compiler.kernels.integer_sums import RowSum, scaled, sums_for
from delrec_compile.compiler.kernels.integer_tables import group_of, reset_of, tables_of
from delrec_compile.compiler.kernels.nodes import Edge, integer_nodes
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.kernels.step_inputs import Incoming, StepInputs
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.compiler.tir.event_lists import Events
from delrec_compile.network.integer.layers import IntegerLayer, IntegerReadout
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv, IntegerDense, IntegerLinear
from delrec_compile.ops import conv_delay, linear
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops.integer_lif import LIMIT, IntegerLifTile, emit_leak
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.plane_taps import ShiftedPlanes
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
        nodes = integer_nodes(network)
        super().__init__(
            nodes,
            emitter,
            trace=trace,
            counts=counts,
            tables=tables,
            state=state_of(nodes, "int32"),
            workspace=workspace,
            group=group_of(network.layers[0].weight, emitter.schedule, network.largest_units),
        )
        self.layers, self.readout = network.layers, network.readout
        self.max_input = network.largest_units

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        largest = self.e.splat(tir.int32(self.max_input), lanes)
        return tir.min(self.e.cast(x, "int32", lanes), largest)

    def sum_type(self, i: int) -> str:
        return "int32"

    def rows(self, i: int, edge: Edge, incoming: Incoming) -> linear.Rows:
        return self._row_sum(i, incoming).rows(self.e.schedule)

    def _row_sum(self, i: int, incoming: Incoming) -> RowSum:
        table = self.buffers_of(i)("weight")
        return RowSum(incoming, self.layers[i].weight, table, self._max_count(i))

    def _max_count(self, i: int) -> int:
        return self.max_input if i == 0 else 1

    def _recurrent(self, i: int, arrivals: Any) -> list[RowSum]:
        """Rows of a dense recurrence."""
        r = self.layers[i].recurrence
        if arrivals is None or not isinstance(r, IntegerDense):
            return []
        table = self.buffers_of(i)("recurrent")
        return [RowSum(Incoming(arrivals.read(0)), r.matrices[0], table, 1)]

    def _currents(self, i: int, now: _Taken) -> list[Current]:
        """Currents that are not sums of rows."""
        e, layer, r = self.e, self.layers[i], self.layers[i].recurrence
        out = []
        if layer.maps is not None:
            out.append(Current(self._mapped(i, layer.maps, now.incoming), 1 << layer.fraction))
        if now.arrivals is None or isinstance(r, IntegerDense):
            return out
        if isinstance(r, IntegerConv):
            return [*out, Current(self._conv_current(i, r, now.arrivals), 1)]
        assert isinstance(r, IntegerLinear)
        _, current = r.form.emit(e, now.arrivals, self.buffers_of(i), "int32")
        return [*out, Current(current, 1 << r.shift)]

    def _mapped(self, i: int, maps: Maps, incoming: Incoming) -> Any:
        """Currents of a layer of maps from its inputs, summed event by event."""
        e, kernel = self.e, self.buffers_of(i)("weight")
        sums = maps_op.sums(e, maps, "int32")
        maps_op.scatter(e, maps, incoming.events, kernel, sums, count=incoming.count)
        return maps_op.without_margins(e, maps, sums)

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        def taken(step: Any) -> _Taken:
            return _Taken.of(step_inputs(step))

        if sums_for(self.e, self.layers[i].weight).fuses_neurons:
            self._fire_fused(i, taken, steps)
        else:
            self._fire_apart(i, taken(None))

    def _fire_fused(self, i: int, step_inputs: Callable[[Any], _Taken], steps: Any) -> None:
        """The neurons of a tile are updated as soon as its sums are made."""
        layer: IntegerLayer = self.layers[i]
        one = step_inputs(None) if steps is None else None
        currents = [] if one is None else self._currents(i, one)

        def sums(step: Any) -> linear.Sums:
            now = one or step_inputs(step)
            finish = _Fire(self, i, now.spikes, currents)
            from_rows = now.feed is None and layer.maps is None
            return linear.Sums(
                "int32",
                scaled(self.e, finish, layer.fraction),
                self._row_sum(i, now.incoming).rows(self.e.schedule) if from_rows else None,
                [part.rows(self.e.schedule) for part in self._recurrent(i, now.arrivals)],
                start=[] if now.feed is None else [now.feed],
            )

        linear.emit(self.e, layer.size, sums, steps)

    def _fire_apart(self, i: int, now: _Taken) -> None:
        """First all currents, then all neurons: each loop has the few pointers that it needs."""
        e, n, layer = self.e, self.layers[i].size, self.layers[i]
        r, buffers = layer.recurrence, self.buffers_of(i)
        feed = [self._row_sum(i, now.incoming)] if layer.maps is None else []
        parts = [*feed, *self._recurrent(i, now.arrivals)]
        pad = r.taps // 2 if isinstance(r, IntegerConv) else 0
        current = e.buffer("current", n + 2 * pad, "int32")
        for q in range(pad):
            e.store(current, q, 1, tir.int32(0))
            e.store(current, pad + n + q, 1, tir.int32(0))
        store = _StoreCurrents(e, current, pad, buffers("bias"))
        if parts:
            sums_for(e, layer.weight).emit(n, parts, store, layer.fraction)
        else:
            with e.loop("k", n) as k:
                store(k, 1)(tir.int32(0), 0, 1)
        if isinstance(r, IntegerConv) and now.arrivals is not None:
            kernel, unit = buffers("kernel"), 1 << r.shift
            conv_delay.scatter(e, now.arrivals, kernel, r.taps, current, n, unit)
            now = replace(now, arrivals=None)
        for part in self._currents(i, now):
            with e.loop("k", n) as k:
                total = e.load(current, pad + k, 1) + part.of(e, k, 1)
                e.store(current, pad + k, 1, total)
        if e.schedule.bytes == "memory":
            neurons = self.tile(i, 0, n, buffers("v"), biased=False)
            neurons.update_in_loops(n, e.view(current, pad, n), now.spikes)
            return
        for base, size in e.runs(n, e.schedule.neurons):
            v = e.view(buffers("v"), base, size)
            neurons = self.tile(i, base, size, v, biased=False)
            here = e.view(current, pad + base, size)
            for k in range(size):
                neurons.update(e.load(here, k, 1), now.spikes, k, 1)

    def tile(self, i: int, base: Any, size: int, v: Any, *, biased: bool = True) -> IntegerLifTile:
        """Neurons `base` to `base + size` of layer i. v: their membranes."""
        layer, reset, buffers = self.layers[i], reset_of(self.layers[i]), self.buffers_of(i)

        def part(name: str) -> Any:
            return self.e.view(buffers(name), base, size)

        soft = layer.drop is not None
        return IntegerLifTile(
            self.e,
            base,
            v,
            layer.beta if isinstance(layer.beta, int) else part("beta"),
            part("bias") if biased else None,
            part("threshold"),
            reset if soft or isinstance(reset, int) else part("reset"),
            layer.clamps(self._max_count(i)),
            layer.reset,
            part("drop") if soft else None,
        )

    def _conv_current(self, i: int, r: IntegerConv, arrivals: Any) -> Any:
        """Recurrent current of each neuron, in membrane units."""
        e, taps, kernel = self.e, r.taps, self.buffers_of(i)("kernel")
        if isinstance(arrivals, ShiftedPlanes):

            def tap(k: int, first: Any, lanes: int) -> Any:
                return e.load(kernel, k * r.size + first, lanes)

            return arrivals.current(e, tap)
        current = e.buffer("current", r.size + taps - 1, "int32")
        conv_delay.emit_rows(e, arrivals, kernel, taps, current, r.size, 1 << r.shift)
        return e.view(current, taps // 2, r.size)

    def read_out(self, i: int, t: Any, now: StepInputs) -> None:
        readout, buffers = self.readout, self.buffers_of(i)
        part = RowSum(now.of_edges[0], readout.weight, buffers("weight"), 1)
        finish = _WriteOutputs(self.e, readout, buffers, self.y, t * readout.size)
        sums_for(self.e, readout.weight).emit(readout.size, [part], finish, readout.fraction)


@dataclass(frozen=True)
class _Taken:
    """`StepInputs` of a layer. arrivals: delayed spikes that arrive; None without a recurrence."""

    incoming: Incoming
    spikes: Events
    arrivals: Any
    feed: Any

    @staticmethod
    def of(now: StepInputs) -> _Taken:
        incoming, *back = now.of_edges
        return _Taken(incoming, now.spikes, back[0] if back else None, now.feed)


@dataclass(frozen=True)
class Current:
    """values: (n,) int32, in `unit` membrane units."""

    values: Any
    unit: int

    def of(self, e: Emitter, at: Any, lanes: int) -> Any:
        """The current of a block, in membrane units."""
        value = e.load(self.values, at, lanes)
        return value * e.splat(tir.int32(self.unit), lanes) if self.unit > 1 else value


@dataclass(frozen=True)
class _Fire:
    """The neurons of layer i fire on their sums and on `currents`."""

    composer: IntegerComposer
    i: int
    spikes: Events
    currents: Sequence[Current]

    def __call__(self, base: Any, size: int) -> linear.Finish:
        c, e = self.composer, self.composer.e
        v = e.view(c.buffers_of(self.i)("v"), base, size)
        neurons = c.tile(self.i, base, size, v)
        currents = [replace(part, values=e.view(part.values, base, size)) for part in self.currents]

        def take(value: Any, at: int, lanes: int) -> None:
            total = value
            for part in currents:
                total = total + part.of(e, at, lanes)
            neurons.update(total, self.spikes, at, lanes)

        return take


@dataclass(frozen=True)
class _StoreCurrents:
    """Sums and bias (n,) are stored in `to`, from `first` on."""

    e: Emitter
    to: Any
    first: int
    bias: Any

    def __call__(self, base: Any, size: int) -> linear.Finish:
        to = self.e.view(self.to, self.first + base, size)
        bias = self.e.view(self.bias, base, size)

        def take(value: Any, at: int, lanes: int) -> None:
            self.e.store(to, at, lanes, value + self.e.load(bias, at, lanes))

        return take


@dataclass(frozen=True)
class _WriteOutputs:
    """The readout integrates its sums; y: all outputs, those of this step from `row` on."""

    e: Emitter
    readout: IntegerReadout
    buffers: Buffers
    y: Any
    row: Any

    def __call__(self, base: Any, size: int) -> linear.Finish:
        e, names = self.e, ["bias", "unit", *self.readout.states]
        bias, unit, *membranes = (e.view(self.buffers(name), base, size) for name in names)
        y = e.view(self.y, self.row + base, size)
        bias_on_output = self.readout.form.bias_on_output

        def take(value: Any, at: int, lanes: int) -> None:
            own = e.load(bias, at, lanes)
            total = value if bias_on_output else value + own
            for v in membranes:
                total = self._integrate(v, total, at, lanes)
            if bias_on_output:
                total = e.wrapping(total, own, lanes)
            e.store(y, at, lanes, e.cast(total, "float32", lanes) * e.load(unit, at, lanes))

        return take

    def _integrate(self, v: Any, added: Any, at: int, lanes: int) -> Any:
        """Updates one block of membranes; returns it."""
        e = self.e
        old = e.register(lanes, e.load(v, at, lanes), "int32")
        leaked = emit_leak(e, self.readout.beta, e.load(old, 0, lanes), lanes)
        m = e.register(lanes, e.wrapping(leaked, added, lanes), "int32")
        if self.readout.clamps():
            low, high = (e.splat(tir.int32(end), lanes) for end in (-LIMIT, LIMIT - 1))
            e.store(m, 0, lanes, tir.min(tir.max(e.load(m, 0, lanes), low), high))
        e.store(v, at, lanes, e.load(m, 0, lanes))
        return e.load(m, 0, lanes)
