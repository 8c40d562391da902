"""The recurrences of an integer network as integer arrays, and checks of such arrays.

Their currents are defined in `delrec_compile.network.integer.model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64, I32, I64, Ints
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Axonal

WEIGHTS = (np.dtype(np.int8), np.dtype(np.int16))
KERNELS = (np.dtype(np.int16), np.dtype(np.int32))


def product(s: F64, weight: Ints) -> I64:
    """s @ weight.T for integers; in float64, which is exact below 2^53 and fast."""
    return np.rint(s @ weight.T.astype(np.float64)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class IntegerConv:
    """kernel: (K, N), or (M, K, N) with M > 1 heads, int16 or int32, by receiving neuron, in
    2^shift membrane units. delay: (N,), or (M, N)."""

    kernel: Ints
    delay: I32
    shift: int
    kind: ClassVar[str] = "conv_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checks.delays(self.delay))
        heads = self.delay.shape[:-1]
        require_array(self, "kernel", KERNELS, (*heads, None, self.size))
        if self.taps % 2 == 0:
            raise NetworkError(f"kernel has {self.taps} taps; an odd number is required")
        require_int("shift", self.shift, 0, 30)

    @property
    def size(self) -> int:
        return int(self.delay.shape[-1])

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

    @property
    def depth(self) -> int:
        return self.line.depth

    def arriving(self, hist: Ints) -> F64:
        """hist: (batch, depth, N), newest first. Returns g (batch, M, N)."""
        return np.asarray(delay_line.reference(hist, self.line.delay), np.float64)

    def bound(self, fraction: int) -> I64:
        """(N,): the largest size of any partial sum, in membrane units."""
        return np.asarray(np.abs(self.kernels.astype(np.int64)).sum(axis=(0, 1)) << self.shift)

    def current(self, g: F64, fraction: int) -> I64:
        """g: (batch, M, N) arriving spikes. Returns (batch, N), in membrane units."""
        pad, n = self.taps // 2, self.size
        around = np.pad(g, ((0, 0), (0, 0), (pad, pad))).astype(np.int64)
        parts = [
            tap * around[:, m, k : k + n]
            for m, kernel in enumerate(self.kernels)
            for k, tap in enumerate(kernel)
        ]
        return np.asarray(np.sum(parts, axis=0, dtype=np.int64) << self.shift)


@dataclass(frozen=True, eq=False)
class IntegerDense:
    """weight: (N, N) [to, from], in the units of the layer's own weight. delay: (N,)."""

    weight: Ints
    delay: I32
    kind: ClassVar[str] = "dense_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checks.vector_of_delays(self.delay))
        require_array(self, "weight", WEIGHTS, (self.size, self.size))

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def line(self) -> Axonal:
        return Axonal(self.delay[None])

    @property
    def depth(self) -> int:
        return self.line.depth

    def arriving(self, hist: Ints) -> F64:
        """hist: (batch, depth, N), newest first. Returns g (batch, N)."""
        return np.asarray(delay_line.reference(hist, self.delay), np.float64)

    def bound(self, fraction: int) -> I64:
        """(N,): the largest size of any partial sum, in membrane units."""
        return row_sums(self.weight) << fraction

    def current(self, g: F64, fraction: int) -> I64:
        """g: (batch, N) arriving spikes. Returns (batch, N), in membrane units."""
        return product(g, self.weight) << fraction


# by the kind of the float32 recurrence
RECURRENCES: dict[str, Any] = {r.kind: r for r in (IntegerConv, IntegerDense)}


def require_int(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise NetworkError(f"{name} is {value!r}; an integer is required")
    if not low <= value <= high:
        raise NetworkError(f"{name} is {value}; allowed: {low} to {high}")


def row_sums(weight: Ints) -> I64:
    return np.asarray(np.abs(weight.astype(np.int64)).sum(axis=1))


def require_array(
    owner: Any, name: str, kinds: tuple[np.dtype[Any], ...], shape: tuple[int | None, ...]
) -> None:
    array = np.ascontiguousarray(getattr(owner, name))
    if array.dtype not in kinds:
        allowed = " or ".join(k.name for k in kinds)
        raise NetworkError(f"{name} is {array.dtype}; {allowed} is required")
    fits = array.ndim == len(shape) and all(
        expected in (None, extent) for expected, extent in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        expected_text = ", ".join("any" if s is None else str(s) for s in shape)
        raise NetworkError(f"{name} has shape {list(array.shape)}; [{expected_text}] is required")
    object.__setattr__(owner, name, array)
