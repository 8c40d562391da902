"""The synapses of an integer network: every map with its delays, its weights as whole numbers.

    I[i] = 2^shift * sum weight * line          in membrane units of the neuron i that receives

A line is that of `ops.synapses`: (batch, depth, sources), newest first. Neurons that share a weight
share a scale, so a weight is the same whole number for each of them; those of conv_delay have
scales of their own, and with them kernels of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import I32, I64, Ints
from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import KERNELS, require_array, require_int
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Axonal, Line
from delrec_compile.ops.conv_delay import ConvDelay

LARGEST_SHIFT = 30


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
    def line(self) -> Line | None:
        """The delay line of compiled code; None without a delay."""

    @property
    def depth(self) -> int:
        """Steps of the line that are read."""
        return 1 if self.line is None else self.line.depth

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

    def gpu_tables(self) -> dict[str, NDArray[Any]]:
        """Those that a GPU's reads."""
        return self.tables()

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
        return ConvDelay.kind

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
