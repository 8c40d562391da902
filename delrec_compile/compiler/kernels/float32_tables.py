"""The constants of a float32 network, as its kernel reads them under a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import INT16_MAX
from delrec_compile.compiler.kernels.nodes import Rings
from delrec_compile.errors import NetworkError
from delrec_compile.network.grid import fraction_bits, row_bits
from delrec_compile.network.model import INPUT, Convolution, Dense, Network, Projection, Synapses
from delrec_compile.ops import joined_rows, linear, silent_rows
from delrec_compile.ops.current_ring import CurrentRing
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.map_taps import MapTaps
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.targets.schedule import Schedule


def of_input(network: Network) -> tuple[int, ...]:
    """Indices of the populations that take the input."""
    return tuple(
        i
        for i, p in enumerate(network.populations)
        if any(each.source == INPUT for each in p.projections)
    )


def tables_of(
    network: Network,
    formats: Sequence[GridFormat],
    *,
    gpu: bool = False,
    products: Mapping[tuple[str, str], NDArray[Any]] = MappingProxyType({}),
    rings: Rings = MappingProxyType({}),
    taps: Mapping[tuple[str, str], MapTaps] = MappingProxyType({}),
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The constants as the kernel reads them, weight rows by sending neuron; and names that stand for
    a table that another projection has.

    products: tables of projections of real inputs that are multiplied as `dense_product` does, by
    population and prefix. rings: of projections whose spikes are pushed. taps: of convolutions between
    populations with places, as products.
    """
    out: dict[str, NDArray[Any]] = {}
    same: dict[str, str] = {}
    stored: list[tuple[tuple[Any, ...], str, list[str]]] = []
    for p, form in zip(network.populations, formats, strict=True):
        neurons = {"bias": form.as_accumulators(p.biases), **p.neuron.tables(form.unit)}
        for k, each in enumerate(p.projections):
            if each is not p.feed:
                out |= _new(out, p.prefix, neurons)
                neurons = {}
            prefix = p.prefix + each.prefix
            if each.source == INPUT and (p.name, each.prefix) in products:
                out |= _new(out, prefix, {"weight": products[p.name, each.prefix]})
                continue
            own_form = form.coarser(fraction_bits(network, each))
            ring, own_taps = rings.get((p.name, k)), taps.get((p.name, each.prefix))
            # rows of the input may be interleaved
            what = (id(each.synapses), own_form, each.source == INPUT, ring, own_taps is None)
            known = next((old for old in stored if old[0] == what), None)
            if known is not None:
                same |= {prefix + name: known[1] + name for name in known[2]}
                continue
            own = synapse_tables(each, own_form, gpu, ring, own_taps)
            stored.append((what, prefix, list(own)))
            out |= _new(out, prefix, own)
        out |= _new(out, p.prefix, neurons)
    return {k: np.ascontiguousarray(v).reshape(-1) for k, v in out.items()}, same


def _new(
    known: Mapping[str, Any], prefix: str, own: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Tables by their full names. Raises NetworkError for a name that is taken."""
    out = {prefix + name: table for name, table in own.items()}
    for name in out:
        if name in known:
            raise NetworkError(f"two tables are called '{name}'; rename a population")
    return out


def synapse_tables(
    each: Projection,
    form: GridFormat,
    gpu: bool,
    ring: CurrentRing | None = None,
    taps: MapTaps | None = None,
) -> dict[str, NDArray[Any]]:
    """The constants of a projection. ring: that its spikes are pushed to. taps: of its convolution."""
    s = each.synapses
    if ring is not None:
        assert isinstance(s, SynapticDelay)
        return s.ring_tables(form, ring)
    if isinstance(s, Dense):
        weight = s.weight.T
        of_input = each.source == INPUT
        rows = form.as_rows(weight, form.group) if of_input else form.as_rows_of_spikes(weight)
        return {"weight": rows, **form.totals("weight", s.weight)}
    if isinstance(s, Convolution):
        return {"weight": form.as_weights((taps or s.maps).table(s.kernel))}
    assert isinstance(s, Synapses)
    if gpu:
        return s.gpu_tables(form)
    own = s.tables(form)
    return own | form.totals("recurrent", s.matrices) if isinstance(s, DenseDelay) else own


@dataclass(frozen=True)
class GridFormat:
    """A `WeightFormat`. q: weights are integers in units of 2^-q, of 16 bits where a table fits them,
    else of 32; None: float32.

    order: output that each place of a row of 16 bits holds. group: inputs whose rows are interleaved.
    subtracts: whether there are sums of all rows. joins: lanes of the pairs of `joined_rows`; 0: none.
    """

    q: int | None
    order: tuple[int, ...]
    group: int = 1
    subtracts: bool = False
    joins: int = 0

    def coarser(self, bits: int) -> GridFormat:
        """The format of weights whose products with inputs have so many bits more."""
        return self if self.q is None or not bits else replace(self, q=self.q - bits)

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

    def as_rows_of_spikes(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """As `as_rows`, of rows that count 1."""
        rows = self.as_rows(values)
        return joined_rows.pack(rows, self.joins) if self.joins and rows.dtype == np.int16 else rows

    def as_weights(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """See `WeightFormat.as_weights`."""
        if self.q is None:
            return values
        kind = np.int16 if row_bits(values, self.q) == 16 else np.int32
        return np.ldexp(values, self.q).astype(kind)

    def as_accumulators(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """See `WeightFormat.as_accumulators`."""
        return values if self.q is None else np.ldexp(values, self.q).astype(np.int32)

    def totals(self, name: str, values: NDArray[np.float32]) -> dict[str, NDArray[np.int32]]:
        """The table of the sums of all rows of weights (..., out, in), by the name of its rows."""
        if self.q is None or not self.subtracts:
            return {}
        return {name + silent_rows.TOTAL: silent_rows.totals(np.ldexp(values, self.q))}


def weight_formats(
    network: Network, schedule: Schedule, grids: Sequence[int | None] = ()
) -> tuple[GridFormat, ...]:
    """Format of each population: integers where sums are exact on a grid, or float32.

    Populations that take the input have one type of sums, and one group of its rows.
    """
    parts = network.populations
    qs = list(grids or [None] * len(parts))
    fed = of_input(network)
    if any(qs[i] is None for i in fed):
        qs = [None if i in fed else q for i, q in enumerate(qs)]
    group = _group(network, schedule, qs)
    return tuple(
        GridFormat(
            q,
            tuple(schedule.order(p.size, 16)),
            group if i in fed else 1,
            schedule.subtracts,
            schedule.lanes if schedule.joins else 0,
        )
        for i, (p, q) in enumerate(zip(parts, qs, strict=True))
    )


def _group(network: Network, schedule: Schedule, qs: Sequence[int | None]) -> int:
    """Inputs whose rows are interleaved: the same in all projections that have no delay."""
    groups = set()
    for p, q in zip(network.populations, qs, strict=True):
        for each in p.projections:
            s = each.synapses
            if each.source == INPUT and isinstance(s, Feed):
                coarse = None if q is None else q - fraction_bits(network, each)
                fits = isinstance(s, Dense) and row_bits(s.weight, coarse) == 16
                groups.add(schedule.inputs(16, p.size, INT16_MAX) if fits else 1)
    return groups.pop() if len(groups) == 1 else 1
