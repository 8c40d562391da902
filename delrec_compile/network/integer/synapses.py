"""The synapses of an integer network: every map with delays, its weights as whole numbers.

    I[i] = 2^shift * sum weight * line          in membrane units of the neuron i that receives

A line is that of `ops.synapses`: (batch, depth, sources), newest first. Neurons that share a weight
share a scale, so a weight is the same whole number for each of them; those of conv_delay have
scales of their own, and with them kernels of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, I32, I64, Ints
from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import KERNELS, product, require_array, require_int
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Axonal, Line
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.registry import SYNAPSES
from delrec_compile.ops.synapses import Synapses

LARGEST_SHIFT = 30
CONV = ConvDelay.kind
EXACT = 1 << 24  # whole numbers up to it are float32 numbers
# axis of the weights, by kind: the neurons that receive, or their channels
RECEIVERS = {
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


class IntegerSynapses(ABC):
    """shift: a weight unit is 2^shift membrane units."""

    shift: int

    @property
    @abstractmethod
    def kind(self) -> str:
        """That of the float32 synapses."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Neurons that receive."""

    @property
    @abstractmethod
    def sources(self) -> int:
        """Neurons that send."""

    @property
    @abstractmethod
    def line(self) -> Line:
        """The delay line of compiled code."""

    @property
    def depth(self) -> int:
        """Steps of the line that are read."""
        return self.line.depth

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array by field, as files hold them."""

    def attributes(self) -> dict[str, Any]:
        """The fields that are not arrays, as JSON holds them."""
        return {"shift": self.shift}

    @property
    @abstractmethod
    def weights(self) -> Ints:
        """The weights, in units of 2^shift membrane units."""

    @abstractmethod
    def tables(self) -> dict[str, NDArray[Any]]:
        """The constants that compiled code reads."""

    @abstractmethod
    def bound(self, largest: int = 1) -> I64:
        """(size,): largest size of any partial sum, in membrane units. largest: value of the line."""

    @abstractmethod
    def current(self, line: NDArray[Any]) -> I64:
        """line: (batch, depth, sources). Returns (batch, size), in membrane units."""


@dataclass(frozen=True, eq=False)
class IntegerConv(IntegerSynapses):
    """conv_delay. kernel: (K, N), or (M, K, N) with M > 1 heads, int16 or int32, by receiving neuron.

    delay: (N,), or (M, N).
    """

    kernel: Ints
    delay: I32
    shift: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checks.delays(self.delay))
        heads = self.delay.shape[:-1]
        require_array(self, "kernel", KERNELS, (*heads, None, self.size))
        if self.taps % 2 == 0:
            raise NetworkError(f"kernel has {self.taps} taps; an odd number is required")
        require_int("shift", self.shift, 0, LARGEST_SHIFT)

    @property
    def kind(self) -> str:
        return CONV

    @property
    def size(self) -> int:
        return int(self.delay.shape[-1])

    @property
    def sources(self) -> int:
        return self.size

    @property
    def taps(self) -> int:
        return int(self.kernel.shape[-2])

    @property
    def kernels(self) -> Ints:
        """(M, K, N)."""
        return self.kernel.reshape(-1, self.taps, self.size)

    @property
    def line(self) -> Axonal:
        return Axonal(np.atleast_2d(self.delay), self.taps)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"kernel": self.kernel, "delay": self.delay}

    @property
    def weights(self) -> Ints:
        return self.kernel

    def tables(self) -> dict[str, NDArray[Any]]:
        return {"kernel": self.kernel, **self.line.tables()}

    def bound(self, largest: int = 1) -> I64:
        sums = np.abs(self.kernels.astype(np.int64)).sum(axis=(0, 1))
        return np.asarray(sums * largest << self.shift)

    def current(self, line: NDArray[Any]) -> I64:
        pad, n = self.taps // 2, self.size
        g = delay_line.reference(line, self.line.delay)
        around = np.pad(g, ((0, 0), (0, 0), (pad, pad))).astype(np.int64)
        parts = [
            tap * around[:, m, k : k + n]
            for m, kernel in enumerate(self.kernels)
            for k, tap in enumerate(kernel)
        ]
        return np.asarray(np.sum(parts, axis=0, dtype=np.int64) << self.shift)


@dataclass(frozen=True, eq=False)
class IntegerLinear(IntegerSynapses):
    """Any other map. form: the float32 synapses, their weights whole numbers. dtype: type of these."""

    form: Synapses
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
    def line(self) -> Line:
        return self.form.line

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
        return self.form.tables(WholeWeights(self.dtype))

    def bound(self, largest: int = 1) -> I64:
        own = by_receiver(self.kind, np.abs(self.weights.astype(np.int64))).sum(axis=1)
        return np.repeat(own * largest << self.shift, self.size // len(own))

    def current(self, line: NDArray[Any]) -> I64:
        exact = self.form.reference(np.asarray(line, np.float64))
        return np.rint(exact).astype(np.int64) << self.shift


@dataclass(frozen=True, eq=False)
class IntegerDense(IntegerLinear):
    """dense_delay: rows of the neurons' own weights."""

    @property
    def matrices(self) -> Ints:
        """(M, size, sources)."""
        return self.weights.reshape(-1, self.size, self.sources)

    def arriving(self, line: NDArray[Any]) -> F64:
        """(batch, M * sources): what arrives, head after head."""
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

    def current(self, line: NDArray[Any]) -> I64:
        sums = np.einsum("bij,ij->bi", self.arriving(line), self.weights.astype(np.float64))
        return np.asarray(np.rint(sums).astype(np.int64) << self.shift)


OWN = {"dense_delay": IntegerDense, "synaptic_delay": IntegerSynaptic}


def has_integer_form(synapses: Synapses) -> bool:
    return synapses.kind == CONV or synapses.kind in RECEIVERS


def by_receiver(kind: str, weights: NDArray[Any]) -> NDArray[Any]:
    """(R, ...) weights of each of the R neurons or channels that receive, all but conv_delay."""
    first = np.moveaxis(weights, RECEIVERS[kind], 0)
    return np.asarray(first.reshape(len(first), -1))


def in_units(form: Synapses, units: Ints, shift: int) -> IntegerLinear:
    """The integer form of synapses, their weights `units` of 2^shift membrane units."""
    (name,) = form.weights
    return OWN.get(form.kind, IntegerLinear)(
        replace(form, **{name: units.astype(np.float32)}),
        shift,
        units.dtype,
    )


def from_arrays(
    kind: str, arrays: Mapping[str, Any], attributes: Mapping[str, Any]
) -> IntegerSynapses:
    """The way back from `arrays` and `attributes`."""
    if kind == CONV:
        return IntegerConv(**arrays, **attributes)
    rest = dict(attributes)
    shift = rest.pop("shift")
    form = SYNAPSES[kind](**arrays, **rest)
    (name,) = form.weights
    dtype = arrays[name].dtype
    if dtype not in (np.int8, *KERNELS):
        raise NetworkError(f"{name} is {dtype}; int8, int16 or int32 is required")
    return OWN.get(kind, IntegerLinear)(form, shift, dtype)
