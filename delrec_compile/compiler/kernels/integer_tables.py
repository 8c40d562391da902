"""The constants of an integer network, as its kernel reads them under a schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from delrec_compile.aliases import INT16_MAX, Ints
from delrec_compile.compiler.kernels.base import Tables
from delrec_compile.compiler.kernels.nodes import Rings
from delrec_compile.network.integer.linear import IntegerDense, IntegerSynaptic
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.integer.population import IntegerPopulation
from delrec_compile.network.integer.synapses import IntegerConv, IntegerSynapses
from delrec_compile.network.model import INPUT
from delrec_compile.ops import biased_rows, byte_rows, counted_rows, linear, silent_rows
from delrec_compile.ops.map_taps import MapTaps
from delrec_compile.targets.schedule import Schedule

TYPES = {2: np.int16, 4: np.int8}  # of interleaved rows, by their number
BEYOND_BYTES = 1 << 8


def tables_of(
    network: IntegerNetwork,
    schedule: Schedule,
    *,
    gpu: bool = False,
    products: Mapping[tuple[str, str], Any] = MappingProxyType({}),
    rings: Rings = MappingProxyType({}),
    taps: Mapping[tuple[str, str], MapTaps] = MappingProxyType({}),
) -> Tables:
    """The constants as the kernel reads them: weight rows by sending neuron. gpu: that of a GPU.

    products: tables of projections of real inputs that are multiplied as `dense_product` does, by
    population and prefix. rings: of projections whose spikes are pushed. taps: of convolutions
    between populations with places, as products.
    """
    out: dict[str, Any] = {}
    group = group_of(network, schedule)
    for p in network.populations:
        neurons: dict[str, Any] = {"bias": p.bias}
        neurons |= p.model.tables() if p.fires else p.readout.tables() | {"unit": p.unit}
        for k, each in enumerate(p.projections):
            if k == 1:
                out |= {p.prefix + name: table for name, table in neurons.items()}
            s, largest = each.synapses, largest_count(network, each.source)
            ring, own_taps = rings.get((p.name, k)), taps.get((p.name, each.prefix))
            if each.source == INPUT and (p.name, each.prefix) in products:
                own = {"weight": products[p.name, each.prefix]}
            elif own_taps is not None:
                own = {"weight": own_taps.table(s.weights)}
            elif ring is not None:
                assert isinstance(s, IntegerSynaptic)
                own = s.ring_tables(ring)
            elif gpu and not isinstance(s, IntegerDense):
                own = s.gpu_tables()
            else:
                rows = group if each.source == INPUT else 1
                adds = schedule if largest < BEYOND_BYTES else without_words(schedule)
                if each.source == INPUT:  # its values are no bits of planes
                    adds = replace(adds, taps="scatter")
                own = _of_synapses(s, adds, largest, rows)
            out |= {p.prefix + each.prefix + name: table for name, table in own.items()}
        out |= {p.prefix + name: table for name, table in neurons.items()}
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}


def _of_synapses(
    s: IntegerSynapses, schedule: Schedule, largest: int, group: int
) -> dict[str, Any]:
    """largest: of a value that comes in. group: rows that are interleaved where they meet the input."""
    if isinstance(s, IntegerConv):
        kernel = scattered(s)
        if has_short_kernels(s, schedule):
            kernel = s.kernels
        elif schedule.taps == "planes":
            kernel = np.left_shift(s.kernels.astype(np.int32), s.shift)
        return {"kernel": kernel, **s.line.tables()}
    if not isinstance(s, IntegerDense):
        return s.tables()
    name = "weight" if s.line is None else "recurrent"
    totals: dict[str, Any] = {}
    if subtracts(s.dtype, schedule):
        totals = {name + silent_rows.TOTAL: silent_rows.totals(s.matrices)}
    if s.line is None:
        return {name: rows_of(s.weights, schedule, largest, group), **totals}
    heads = [rows_of(weight, schedule, largest) for weight in s.matrices]
    return {name: np.concatenate(heads), **totals, **s.line.tables()}


def largest_count(network: IntegerNetwork, source: str) -> int:
    """Largest count with which rows meet what a source sends. Real inputs, which have signs, are no
    bytes, however small.
    """
    largest = network.largest_of(source)
    signed = source == INPUT and network.real_input is not None
    return max(largest, BEYOND_BYTES) if signed else largest


def without_words(schedule: Schedule) -> Schedule:
    """The schedule for rows whose counts have signs, which `byte_rows` does not hold."""
    return replace(schedule, bytes="wide") if schedule.bytes == "words" else schedule


def in_words(dtype: Any, schedule: Schedule) -> bool:
    return schedule.bytes == "words" and dtype == np.int8


def subtracts(dtype: Any, schedule: Schedule) -> bool:
    """Whether sums of rows of a type may be made of those of silent neurons."""
    in_registers = schedule.bytes != "memory" and not in_words(dtype, schedule)
    return schedule.subtracts and in_registers


def counts_of_parts(network: IntegerNetwork, schedule: Schedule) -> tuple[int, int] | None:
    """See `InputLists.counts_of_parts`."""
    largest, rows = largest_count(network, INPUT), list(_fed_rows(network))
    interleaved = schedule.group(8) > 1 or group_of(network, schedule) > 1
    if not schedule.parts or interleaved or not 1 < largest <= counted_rows.LARGEST:
        return None
    if not rows or any(weight.dtype != np.int8 for weight in rows):
        return None
    most = counted_rows.SUM // max(1, *(int(np.abs(w.astype(np.int64)).max()) for w in rows))
    return (largest, most)


def _fed_rows(network: IntegerNetwork) -> Iterator[Ints]:
    """Weights of the undelayed dense projections of the input."""
    for p in network.populations:
        for each in p.projections:
            s = each.synapses
            if each.source == INPUT and s.line is None and isinstance(s, IntegerDense):
                yield s.matrices[0]


def group_of(network: IntegerNetwork, schedule: Schedule) -> int:
    """Number of interleaved rows that the inputs meet: the same in all undelayed projections."""
    groups = set()
    for p in network.populations:
        for each in p.projections:
            if each.source == INPUT and each.synapses.line is None:
                groups.add(_group(p, each.synapses, schedule, largest_count(network, INPUT)))
    return groups.pop() if len(groups) == 1 else 1


def _group(p: IntegerPopulation, s: IntegerSynapses, schedule: Schedule, largest: int) -> int:
    if largest == 1 or not isinstance(s, IntegerDense):
        return 1
    return schedule.inputs(8 * s.dtype.itemsize, p.size, largest)


def is_narrow(weight: Ints, schedule: Schedule, max_count: int) -> bool:
    """Whether sums of 16 bits hold rows that count 1 each."""
    fits = np.abs(weight.astype(np.int64)).sum(axis=1).max() <= INT16_MAX
    return schedule.narrows and weight.dtype == np.int8 and max_count == 1 and bool(fits)


def rows_of(weight: Ints, schedule: Schedule, max_count: int = 1, group: int = 1) -> Ints:
    """Rows by sending neuron. group: rows that are interleaved."""
    if in_words(weight.dtype, schedule):
        return byte_rows.pack(weight.T)
    if group > 1:
        return linear.interleave_rows(weight.T, group).astype(TYPES[group])
    if is_narrow(weight, schedule, max_count):
        biased = schedule.biases
        return biased_rows.pack(weight.T, schedule.lanes) if biased else weight.T
    return weight.T[:, schedule.order(len(weight), 8 * weight.itemsize)]


def has_short_kernels(s: IntegerConv, schedule: Schedule) -> bool:
    """Whether kernels are read from planes in 16 bits."""
    return schedule.taps == "planes" and schedule.parts and s.kernels.dtype == np.int16


def scattered(r: IntegerConv) -> Ints:
    """Kernels by sending neuron, (M, N, K): weight that a spike of j adds to j - pad + q."""
    n, taps = r.size, r.taps
    out = np.zeros((len(r.kernels), n, taps), r.kernel.dtype)
    for q in range(taps):
        to = np.arange(n) + q - taps // 2
        inside = (to >= 0) & (to < n)
        out[:, inside, q] = r.kernels[:, taps - 1 - q, to[inside]]
    return out
