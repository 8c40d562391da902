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
from delrec_compile.compiler.kernels.base import Composer, Incoming, Kernel, StepInputs, state_of
from delrec_compile.compiler.kernels.finish import FireNeurons, WriteOutputs
from delrec_compile.compiler.kernels.sequence import body_of
from delrec_compile.compiler.tir.emitter import Emitter
from delrec_compile.network.grid import row_bits
from delrec_compile.network.model import Layer, Readout, Synapses
from delrec_compile.network.state import READOUT, layer_prefix
from delrec_compile.ops import linear
from delrec_compile.ops import maps as maps_op
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Sums
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
    workspace: Mapping[str, int] = MappingProxyType({}),
) -> Kernel:
    """kernel: one of `Schedule.kernels`. generator: `llvm`, or `c` for C text. counts: dtype of the
    inputs, float32 or uint8.

    grids: see `network.grid.grids`; schedules that hold rows as `units` need them. workspace: elements
    of each dtype that lie in the state, in place of the stack.
    """
    formats = weight_formats(layers, readout, schedule, () if schedule.rows == "float32" else grids)
    return Float32Composer(
        layers,
        readout,
        Emitter(schedule.of(kernel), generator),
        formats,
        trace=kernel == "trace",
        counts=counts,
        exact=bool(grids) and grids[0] is not None,
        workspace=workspace,
    ).kernel(body_of(kernel, schedule))


def tables_of(
    layers: Sequence[Layer],
    readout: Readout,
    formats: Sequence[GridFormat],
    *,
    gpu: bool = False,
) -> dict[str, NDArray[Any]]:
    """The constants as the kernel reads them: weight rows by sending neuron."""
    out: dict[str, NDArray[Any]] = {}
    *of_layers, of_readout = formats
    for i, (layer, form) in enumerate(zip(layers, of_layers, strict=True)):
        own = {
            "weight": form.as_rows(layer.weight.T, form.group)
            if layer.maps is None
            else form.as_weights(layer.maps.table(layer.weight)),
            "bias": form.as_accumulators(layer.biases),
            **layer.neuron.tables(form.unit),
        }
        if layer.recurrence is not None:
            own |= layer.recurrence.gpu_tables(form) if gpu else layer.recurrence.tables(form)
        out |= {layer_prefix(i) + name: table for name, table in own.items()}
    own = {
        "weight": of_readout.as_rows(readout.weight.T),
        "bias": of_readout.as_accumulators(readout.step_bias),
        **readout.tables(of_readout.unit),
    }
    out |= {READOUT + name: table for name, table in own.items()}
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}


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
    layers: Sequence[Layer], readout: Readout, schedule: Schedule, grids: Sequence[int | None] = ()
) -> tuple[GridFormat, ...]:
    """Format of each layer, readout last: integers where sums are exact on a grid, or float32."""
    parts: list[Layer | Readout] = [*layers, readout]
    out = []
    for i, (part, q) in enumerate(zip(parts, grids or [None] * len(parts), strict=True)):
        group = 1
        if i == 0 and layers[0].maps is None and row_bits(part.weight, q) == 16:
            group = schedule.inputs(16, part.size, INT16_MAX)
        out.append(GridFormat(q, tuple(schedule.order(part.size, 16)), group))
    return tuple(out)


class Float32Composer(Composer):
    """Membranes and outputs are float32; the type of sums is that of the formats.

    exact: whether the sums of the first layer, whose inputs have counts, have no rounding error.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        readout: Readout,
        emitter: Emitter,
        formats: Sequence[GridFormat],
        *,
        trace: bool,
        counts: str,
        exact: bool,
        workspace: Mapping[str, int],
    ) -> None:
        super().__init__(
            layers,
            readout,
            emitter,
            trace=trace,
            counts=counts,
            tables=tables_of(layers, readout, formats),
            state=state_of(layers, readout),
            workspace=workspace,
            group=formats[0].group,
        )
        self.formats, self.exact = tuple(formats), exact

    def count_of(self, x: Any, lanes: int = 1) -> Any:
        return self.e.cast(x, self.formats[0].sum_dtype, lanes)

    @property
    def sum_types(self) -> list[str]:
        return [form.sum_dtype for form in self.formats[:-1]]

    def rows(self, i: int, incoming: Incoming) -> linear.Rows:
        weight = self.layer_buffers(i)("weight")
        exact = self.exact or incoming.count is None
        return linear.Rows(incoming.events, weight, incoming.count, incoming.group, exact=exact)

    def fire(self, i: int, step_inputs: Callable[[Any], StepInputs], steps: Any = None) -> None:
        layer, buffers = self.layers[i], self.layer_buffers(i)
        one = step_inputs(None) if steps is None else None
        before, start = self._recurrence(i, None if one is None else one.arrivals)
        mapped = None
        if layer.maps is not None and one is not None:
            mapped = self._mapped(i, layer.maps, one.incoming)

        def sums(step: Any) -> linear.Sums:
            now = one or step_inputs(step)
            from_rows = now.feed is None and layer.maps is None
            return linear.Sums(
                self.sum_types[i],
                FireNeurons(self.e, layer.neuron, buffers, now.spikes),
                self.rows(i, now.incoming) if from_rows else None,
                before,
                buffers("bias"),
                [s for s in (start, now.feed, mapped) if s is not None],
            )

        linear.emit(self.e, layer.size, sums, steps)

    def _mapped(self, i: int, maps: Maps, incoming: Incoming) -> Any:
        """Currents of a layer of maps from its inputs, summed event by event."""
        sums, weight = (
            maps_op.sums(self.e, maps, self.sum_types[i]),
            self.layer_buffers(i)("weight"),
        )
        maps_op.scatter(
            self.e, maps, incoming.events, weight, sums, count=incoming.count, exact=self.exact
        )
        return maps_op.without_margins(self.e, maps, sums)

    def _recurrence(self, i: int, arrivals: Any) -> Sums:
        """Rows to add before the bias, or a finished current to start from."""
        if arrivals is None:
            return [], None
        recurrence: Synapses = self.layers[i].recurrence
        return recurrence.emit(self.e, arrivals, self.layer_buffers(i), self.sum_types[i])

    def read_out(self, t: Any, incoming: Incoming) -> None:
        n, buffers = self.readout.size, self.readout_buffers
        finish = WriteOutputs(self.e, self.readout, buffers, self.y, t * n)
        rows = linear.Rows(incoming.events, buffers("weight"))
        sums = linear.Sums(self.formats[-1].sum_dtype, finish, rows, bias=buffers("bias"))
        linear.emit(self.e, n, lambda _: sums)
