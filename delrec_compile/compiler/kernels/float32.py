"""float32 layers -> one TIR function: a loop over time steps around one event-driven step.

See `composer` for its arguments. Sums are float32, or whole numbers of a power-of-two unit: on a
grid where every sum is exact they are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.compiler.kernels.base import Composer, Incoming, Kernel, StepInputs, state_of
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.model import Layer, Readout
from delrec_compile.ops import lif_tir, linear
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops import readout as ops_readout
from delrec_compile.ops.maps import Maps
from delrec_compile.targets.schedule import Schedule


def compose(
    layers: Sequence[Layer],
    readout: Readout,
    schedule: Schedule,
    *,
    kernel: str = "run",
    generator: str = "llvm",
    counts: str = "float32",
    grids: Sequence[int | None] = (),
) -> Kernel:
    """kernel: of `Schedule.kernels`. generator: `llvm`, or `c` for C text. counts: dtype of the
    inputs, float32 or uint8.

    grids: of `freeze.grids`, for schedules that hold rows as `units`; without them none can.
    """
    units = () if schedule.rows == "float32" else grids
    first = weight_formats(layers, readout, schedule, units)[0]
    return _Composer(
        layers,
        readout,
        Emitter(schedule.of(kernel), generator),
        trace=kernel == "trace",
        counts=counts,
        tables=tables_of(layers, readout, schedule, units),
        state=state_of(layers, readout),
        group=_group(layers[0], first, schedule),
    ).kernel(body_of(kernel, schedule))


def tables_of(
    layers: Sequence[Layer],
    readout: Readout,
    schedule: Schedule,
    grids: Sequence[int | None] = (),
    *,
    gpu: bool = False,
) -> dict[str, NDArray[Any]]:
    """The constants as the kernel reads them: weight rows by sending neuron."""
    out: dict[str, NDArray[Any]] = {}
    held = weight_formats(layers, readout, schedule, grids)
    for i, (layer, hold) in enumerate(zip(layers, held, strict=False)):
        group = _group(layer, hold, schedule) if i == 0 else 1
        out[f"l{i}_weight"] = (
            hold.as_rows(layer.weight.T, group)
            if layer.maps is None
            else hold.as_weights(layer.maps.table(layer.weight))
        )
        out[f"l{i}_bias"] = hold.as_accumulators(layer.biases)
        out |= {f"l{i}_{k}": table for k, table in lif_tir.tables(layer.lif, hold.unit).items()}
        r = layer.recurrence
        if r is not None:
            tables = r.gpu_tables(hold) if gpu else r.tables(hold)
            out |= {f"l{i}_{name}": table for name, table in tables.items()}
    out["out_weight"] = held[-1].as_rows(readout.weight.T)
    out["out_bias"] = held[-1].as_accumulators(readout.step_bias)
    if readout.kind == "count":
        out["out_offset"] = readout.bias
    out["out_leak"] = np.append(np.array([readout.beta], np.float32), held[-1].unit)
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}


@dataclass(frozen=True)
class GridFormat:
    """How a layer's constants are held. q: as whole numbers of 2^-q; None: as float32.

    order: which output each place of a row holds.
    """

    q: int | None
    order: tuple[int, ...]

    @property
    def unit(self) -> NDArray[np.float32]:
        """One value, the worth of a unit; none for float32."""
        return np.array([] if self.q is None else [2.0**-self.q], np.float32)

    def as_rows(self, values: NDArray[np.float32], group: int = 1) -> NDArray[Any]:
        """group: as in `linear.Rows`."""
        if self.q is None:
            return values
        units = np.ldexp(values, self.q).astype(np.int16)
        return linear.interleave_rows(units, group) if group > 1 else units[:, list(self.order)]

    def as_weights(self, values: NDArray[np.float32]) -> NDArray[Any]:
        return values if self.q is None else np.ldexp(values, self.q).astype(np.int16)

    def as_accumulators(self, values: NDArray[np.float32]) -> NDArray[Any]:
        return values if self.q is None else np.ldexp(values, self.q).astype(np.int32)


def weight_formats(
    layers: Sequence[Layer], readout: Readout, schedule: Schedule, grids: Sequence[int | None]
) -> list[GridFormat]:
    """Units where a layer's rows are whole numbers of them in 16 bits, else float32."""
    parts: list[Layer | Readout] = [*layers, readout]
    out = []
    for part, q in zip(parts, grids or [None] * len(parts), strict=True):
        rows = [part.weight]
        if isinstance(part, Layer) and part.recurrence is not None:
            rows += part.recurrence.rows
        fits = q is not None and max(np.abs(r).max() for r in rows) * 2.0**q <= linear.INT16_MAX
        out.append(GridFormat(q if fits else None, tuple(schedule.order(part.size, 16))))
    return out


def _group(layer: Layer, hold: GridFormat, schedule: Schedule) -> int:
    """Inputs whose rows lie side by side in the first layer."""
    if hold.q is None or layer.maps is not None:
        return 1
    return schedule.inputs(16, layer.size, linear.INT16_MAX)


class _Composer(Composer):
    """The float32 form."""

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        return self.e.cast(x, str(self.tables["l0_bias"].dtype), lanes)

    @property
    def sum_types(self) -> list[str]:
        return [str(self.tables[f"l{i}_bias"].dtype) for i in range(len(self.layers))]

    def rows(self, i: int, incoming: Incoming) -> linear.Rows:
        return linear.Rows(incoming.events, self.at[f"l{i}_weight"], incoming.count, incoming.group)

    def fire(self, i: int, at: Callable[[Any], StepInputs], steps: Any = None) -> None:
        e, n, v = self.e, self.layers[i].size, self.at[f"l{i}_v"]
        one = at(None) if steps is None else None
        before, start = self._recurrence(i, None if one is None else one.arrivals)
        maps = self.layers[i].maps
        mapped = None if maps is None or one is None else self._mapped(i, maps, one.incoming)
        unit = self.at[f"l{i}_lif"]

        def sums(step: Any) -> linear.Sums:
            now = one or at(step)

            def finish(base: Any, size: int) -> linear.Finish:
                part = e.view(v, base, size)
                neurons = lif_tir.Neurons.of(e, self.layers[i].lif, self.at, i, base, size)

                def take(value: Any, at: int, lanes: int) -> None:
                    current = self._current(value, lanes, unit[lif_tir.UNIT])
                    lif_tir.emit(e, neurons, current, part, now.spikes, base, at, lanes)

                return take

            rows = self.rows(i, now.incoming) if now.feed is None and maps is None else None
            begin = [s for s in (start, now.feed, mapped) if s is not None]
            bias = self.at[f"l{i}_bias"]
            return linear.Sums(self.sum_types[i], finish, rows, before, bias, begin)

        linear.emit(e, n, sums, steps)

    def _mapped(self, i: int, maps: Maps, incoming: Incoming) -> Any:
        """What comes in to a layer of maps, summed event by event."""
        sums = maps_op.sums(self.e, maps, self.sum_types[i])
        weight = self.at[f"l{i}_weight"]
        maps_op.scatter(self.e, maps, incoming.events, weight, sums, count=incoming.count)
        return maps_op.without_margins(self.e, maps, sums)

    def _current(self, value: Any, lanes: int, unit: Any) -> Any:
        """A sum as float32. Of units it is exact: below 2^24 of them, times a power of two."""
        if str(value.ty.dtype).startswith("float32"):
            return value
        return self.e.cast(value, "float32", lanes) * self.e.splat(unit, lanes)

    def _recurrence(self, i: int, arrivals: Any) -> tuple[list[linear.Rows], Any]:
        """Rows to add before the bias, or a ready current to start from."""
        if arrivals is None:
            return [], None
        sums: tuple[list[linear.Rows], Any] = self.layers[i].recurrence.emit(
            self.e,
            arrivals,
            lambda name: self.at[f"l{i}_{name}"],
            str(self.tables[f"l{i}_bias"].dtype),
        )
        return sums

    def read_out(self, t: Any, incoming: Incoming) -> None:
        e, n, leak = self.e, self.readout.size, self.at["out_leak"]

        def finish(base: Any, size: int) -> linear.Finish:
            parts = ops_readout.parts(e, self.readout, self.at, self.y, t * n, base, size)

            def take(value: Any, at: int, lanes: int) -> None:
                current = self._current(value, lanes, leak[1])
                ops_readout.emit(e, self.readout, leak[0], parts, current, at, lanes)

            return take

        rows, bias = linear.Rows(incoming.events, self.at["out_weight"]), self.at["out_bias"]
        sums = linear.Sums(str(self.tables["out_bias"].dtype), finish, rows, bias=bias)
        linear.emit(e, n, lambda _: sums)
