"""Maps whose weights neurons do not share but with neurons of an equal scale: all but conv_delay.

Each is its float32 form with whole numbers for weights, which says all else: size, delay line, code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, I64, Ints
from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import product, require_int
from delrec_compile.network.integer.synapses import LARGEST_SHIFT, IntegerSynapses
from delrec_compile.ops import delay_line
from delrec_compile.ops.arrivals import Line
from delrec_compile.ops.current_ring import CurrentRing
from delrec_compile.ops.feed import Convolution, Dense, Feed
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay

EXACT = 1 << 24  # whole numbers up to it are float32 numbers
# axis of the weights, by kind: the neurons that receive, or their channels
RECEIVERS = {
    "dense": -2,
    "convolution": 0,
    "dense_delay": -2,
    "synaptic_delay": -2,
    "tap_conv_delay": 1,
    "conv2d_delay": 1,
    "channel_conv_delay": 0,
}


@dataclass(frozen=True)
class WholeWeights:
    """A `WeightFormat` of weights that are whole numbers of a type."""

    dtype: np.dtype[Any]

    def as_rows(self, values: F32) -> Ints:
        return np.asarray(values.astype(self.dtype))

    def as_accumulators(self, values: F32) -> Ints:
        return np.asarray(values.astype(np.int32))

    def as_weights(self, values: F32) -> Ints:
        return np.asarray(values.astype(self.dtype))


@dataclass(frozen=True, eq=False)
class IntegerLinear(IntegerSynapses):
    """form: the float32 map, its weights whole numbers. dtype: type of these. Raises NetworkError."""

    form: Synapses | Feed
    shift: int
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        require_int("shift", self.shift, 0, LARGEST_SHIFT)
        (name,) = self.form.weights
        values = self.form.weights[name].astype(np.float64)
        most = min(EXACT, np.iinfo(self.dtype).max + 1)
        if (values != np.rint(values)).any() or np.abs(values).max() > most:
            raise NetworkError(f"{name} is not in whole numbers of {self.dtype}")

    @property
    def kind(self) -> str:
        return self.form.kind

    @property
    def size(self) -> int:
        return self.form.size

    @property
    def sources(self) -> int:
        return self.form.sources

    @property
    def line(self) -> Line | None:
        return None if isinstance(self.form, Feed) else self.form.line

    def arrays(self) -> dict[str, NDArray[Any]]:
        (name,) = self.form.weights
        return {**self.form.arrays(), name: self.weights}

    def attributes(self) -> dict[str, Any]:
        return {"shift": self.shift, **self.form.attributes()}

    @property
    def weights(self) -> Ints:
        (values,) = self.form.weights.values()
        return values.astype(self.dtype)

    def tables(self) -> dict[str, NDArray[Any]]:
        if isinstance(self.form, Convolution):
            return {"weight": self.form.maps.table(self.weights)}
        if isinstance(self.form, Feed):
            return {"weight": self.weights}
        return self.form.tables(WholeWeights(self.dtype))

    def gpu_tables(self) -> dict[str, NDArray[Any]]:
        if isinstance(self.form, Feed):
            return self.tables()
        return self.form.gpu_tables(WholeWeights(self.dtype))

    def bound(self, largest: int = 1) -> I64:
        own = by_receiver(self.kind, np.abs(self.weights.astype(np.int64))).sum(axis=1)
        return np.repeat(own * largest << self.shift, self.size // len(own))

    def current(self, line: NDArray[Any]) -> I64:
        exact = self.form.reference(np.asarray(line, np.float64))
        return np.rint(exact).astype(np.int64) << self.shift


@dataclass(frozen=True, eq=False)
class IntegerDense(IntegerLinear):
    """dense and dense_delay: rows of the neurons' own weights."""

    @property
    def matrices(self) -> Ints:
        """(M, size, sources)."""
        return self.weights.reshape(-1, self.size, self.sources)

    def arriving(self, line: NDArray[Any]) -> F64:
        """(batch, M * sources): what arrives, head after head."""
        if isinstance(self.form, Dense):
            return np.asarray(line[:, 0], np.float64)
        g = delay_line.reference(line, np.atleast_2d(self.form.arrays()["delay"]))
        return g.reshape(len(g), -1).astype(np.float64)

    def current(self, line: NDArray[Any]) -> I64:
        side_by_side = self.matrices.transpose(1, 0, 2).reshape(self.size, -1)
        return product(self.arriving(line), side_by_side) << self.shift


@dataclass(frozen=True, eq=False)
class IntegerSynaptic(IntegerLinear):
    """synaptic_delay: rows of the neurons' own weights, each with a delay of its own."""

    def arriving(self, line: NDArray[Any]) -> F64:
        """(batch, size, sources): what arrives at each synapse."""
        return delay_line.reference(line, self.form.arrays()["delay"]).astype(np.float64)

    def ring_tables(self, ring: CurrentRing) -> dict[str, NDArray[Any]]:
        """See `SynapticDelay.ring_tables`."""
        assert isinstance(self.form, SynapticDelay)
        return self.form.ring_tables(WholeWeights(self.dtype), ring)

    def current(self, line: NDArray[Any]) -> I64:
        sums = np.einsum("bij,ij->bi", self.arriving(line), self.weights.astype(np.float64))
        return np.asarray(np.rint(sums).astype(np.int64) << self.shift)


OWN = {"dense": IntegerDense, "dense_delay": IntegerDense, "synaptic_delay": IntegerSynaptic}


def by_receiver(kind: str, weights: NDArray[Any]) -> NDArray[Any]:
    """(R, ...) weights of each of the R neurons or channels that receive."""
    first = np.moveaxis(weights, RECEIVERS[kind], 0)
    return np.asarray(first.reshape(len(first), -1))


def as_weights(kind: str, rows: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The way back from `by_receiver`, to weights of a shape."""
    axis = RECEIVERS[kind] % len(shape)
    first = (shape[axis], *shape[:axis], *shape[axis + 1 :])
    return np.moveaxis(rows.reshape(first), 0, axis)


def in_units(form: Synapses | Feed, units: Ints, shift: int) -> IntegerLinear:
    """The integer form of a map, its weights `units` of 2^shift membrane units."""
    (name,) = form.weights
    whole: Any = replace(form, **{name: units.astype(np.float32)})
    return OWN.get(form.kind, IntegerLinear)(whole, shift, units.dtype)
