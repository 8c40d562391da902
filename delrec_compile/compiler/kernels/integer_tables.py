"""The constants of an integer network, as its kernel reads them under a schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import INT16_MAX, Ints
from delrec_compile.compiler.kernels.base import Tables
from delrec_compile.network.integer.layers import IntegerLayer
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.synapses import IntegerConv, IntegerDense, IntegerSynapses
from delrec_compile.ops import byte_rows, linear
from delrec_compile.targets.schedule import Schedule

TYPES = {2: np.int16, 4: np.int8}  # of interleaved rows, by their number


def tables_of(network: IntegerNetwork, schedule: Schedule) -> Tables:
    """The constants as the kernel reads them: weight rows by sending neuron."""
    out: dict[str, Ints] = {}
    for i, layer in enumerate(network.layers):
        max_count = network.largest_units if i == 0 else 1
        out[f"l{i}_weight"] = (
            rows_of(layer.weight, schedule, max_count)
            if layer.maps is None
            else layer.maps.table(layer.weight)
        )
        out[f"l{i}_bias"], out[f"l{i}_threshold"] = layer.bias, layer.threshold
        if layer.drop is not None:
            out[f"l{i}_drop"] = layer.drop
        elif not isinstance(reset_of(layer), int):
            out[f"l{i}_reset"] = layer.v_reset
        if not isinstance(layer.beta, int):
            out[f"l{i}_beta"] = layer.beta
        if layer.recurrence is not None:
            own = _of_synapses(layer.recurrence, schedule)
            out |= {f"l{i}_{name}": table for name, table in own.items()}
    readout = network.readout
    out["out_weight"] = rows_of(readout.weight, schedule)
    out["out_bias"], out["out_unit"] = readout.bias, readout.unit
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}


def _of_synapses(r: IntegerSynapses, schedule: Schedule) -> dict[str, Any]:
    if isinstance(r, IntegerConv):
        kernel = (
            np.left_shift(r.kernels.astype(np.int32), r.shift)
            if schedule.taps == "planes"
            else scattered(r)
        )
        return {"kernel": kernel, **r.line.tables()}
    if isinstance(r, IntegerDense):
        heads = [rows_of(weight, schedule) for weight in r.matrices]
        return {"recurrent": np.concatenate(heads), **r.line.tables()}
    return r.tables()


def in_words(weight: Ints, schedule: Schedule) -> bool:
    return schedule.bytes == "words" and weight.dtype == np.int8


def group_of(weight: Ints, schedule: Schedule, max_count: int) -> int:
    """Number of interleaved rows in a table of inputs that count up to `max_count`."""
    if max_count == 1 or weight.ndim > 2:
        return 1
    return schedule.inputs(8 * weight.itemsize, len(weight), max_count)


def is_narrow(weight: Ints, schedule: Schedule, max_count: int) -> bool:
    """Whether sums of 16 bits hold rows that count 1 each."""
    fits = np.abs(weight.astype(np.int64)).sum(axis=1).max() <= INT16_MAX
    return schedule.narrows and weight.dtype == np.int8 and max_count == 1 and bool(fits)


def rows_of(weight: Ints, schedule: Schedule, max_count: int = 1) -> Ints:
    group = group_of(weight, schedule, max_count)
    if in_words(weight, schedule):
        return byte_rows.pack(weight.T)
    if group > 1:
        return linear.interleave_rows(weight.T, group).astype(TYPES[group])
    if is_narrow(weight, schedule, max_count):
        return weight.T
    return weight.T[:, schedule.order(len(weight), 8 * weight.itemsize)]


def scattered(r: IntegerConv) -> Ints:
    """Kernels by sending neuron, (M, N, K): weight that a spike of j adds to j - pad + q."""
    n, taps = r.size, r.taps
    out = np.zeros((len(r.kernels), n, taps), r.kernel.dtype)
    for q in range(taps):
        to = np.arange(n) + q - taps // 2
        inside = (to >= 0) & (to < n)
        out[:, inside, q] = r.kernels[:, taps - 1 - q, to[inside]]
    return out


def reset_of(layer: IntegerLayer) -> int | NDArray[np.int32]:
    """The reset of all neurons, where they share one."""
    first = int(layer.v_reset[0])
    return first if (layer.v_reset == first).all() else layer.v_reset
