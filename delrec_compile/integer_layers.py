"""The parts of an integer network: layers, recurrences and readout as plain whole-number arrays.

What they compute together is in `delrec_compile.integer`. Each is checked when it is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks
from delrec_compile.ops.leaky_readout import DECISIONS

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
Ints = NDArray[Any]

Q = 15  # fractional bits of beta
ONE = 1 << Q
LIMIT = 1 << 30  # of a membrane, and of all that a step adds to it
MOST_FRACTION = 15
WEIGHTS = (np.dtype(np.int8), np.dtype(np.int16))
KERNELS = (np.dtype(np.int16), np.dtype(np.int32))


def leak(v: I64, beta: int) -> I64:
    """round(v * beta / 2^15), halves upwards: a 64-bit product and an arithmetic shift."""
    return (v * beta + (ONE >> 1)) >> Q


def product(s: F64, weight: Ints) -> I64:
    """s @ weight.T for whole numbers; in float64, which is exact below 2^53 and fast."""
    return np.rint(s @ weight.T.astype(np.float64)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class IntegerConv:
    """kernel: (K, N) int16 or int32, by receiving neuron, in 2^shift membrane units. delay: (N,)."""

    kernel: Ints
    delay: I32
    shift: int
    kind: ClassVar[str] = "conv_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checks.delays(self.delay))
        _array(self, "kernel", KERNELS, (None, self.size))
        if len(self.kernel) % 2 == 0:
            raise NetworkError(f"kernel has {len(self.kernel)} taps; an odd number is needed")
        whole("shift", self.shift, 0, 30)

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    def arriving(self, hist: Ints) -> F64:
        """hist: (batch, depth, N), newest first. Returns g (batch, N)."""
        return np.asarray(hist[:, self.delay, np.arange(self.size)], np.float64)

    def bound(self, fraction: int) -> I64:
        """(N,): the largest size of any partial sum, in membrane units."""
        return np.asarray(np.abs(self.kernel.astype(np.int64)).sum(axis=0) << self.shift)

    def current(self, g: F64, fraction: int) -> I64:
        """g: (batch, N) arriving spikes. Returns (batch, N), in membrane units."""
        taps, pad = len(self.kernel), len(self.kernel) // 2
        around = np.pad(g, ((0, 0), (pad, pad))).astype(np.int64)
        parts = [self.kernel[k] * around[:, k : k + self.size] for k in range(taps)]
        return np.asarray(np.sum(parts, axis=0, dtype=np.int64) << self.shift)


@dataclass(frozen=True, eq=False)
class IntegerDense:
    """weight: (N, N) [to, from], in the units of the layer's own weight. delay: (N,)."""

    weight: Ints
    delay: I32
    kind: ClassVar[str] = "dense_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delay", checks.delays(self.delay))
        _array(self, "weight", WEIGHTS, (self.size, self.size))

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    def arriving(self, hist: Ints) -> F64:
        """hist: (batch, depth, N), newest first. Returns g (batch, N)."""
        return np.asarray(hist[:, self.delay, np.arange(self.size)], np.float64)

    def bound(self, fraction: int) -> I64:
        """(N,): the largest size of any partial sum, in membrane units."""
        return row_sums(self.weight) << fraction

    def current(self, g: F64, fraction: int) -> I64:
        """g: (batch, N) arriving spikes. Returns (batch, N), in membrane units."""
        return product(g, self.weight) << fraction


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """weight: (out, in) int8 or int16. bias, threshold, v_reset: (out,) int32, in membrane units.

    beta: membrane kept per step, in 2^-15. fraction: a weight unit is 2^fraction membrane units.
    scale: (out,) float64, what a weight unit is worth in the float network.
    """

    weight: Ints
    bias: I32
    threshold: I32
    v_reset: I32
    beta: int
    fraction: int
    scale: F64
    recurrence: IntegerConv | IntegerDense | None = None

    def __post_init__(self) -> None:
        _common(self)
        for name in ("threshold", "v_reset"):
            _array(self, name, (np.dtype(np.int32),), (self.size,))
            _inside(name, getattr(self, name))
        wrong = np.flatnonzero(self.v_reset >= self.threshold)
        if len(wrong):
            at = wrong[0]
            raise NetworkError(
                f"v_reset[{at}] = {self.v_reset[at]} is not below threshold[{at}] = "
                f"{self.threshold[at]}; the neuron would fire at every step"
            )
        r = self.recurrence
        if r is not None and r.size != self.size:
            raise NetworkError(f"the recurrence has {r.size} delays, the layer {self.size} neurons")
        if isinstance(r, IntegerDense) and r.weight.dtype != self.weight.dtype:
            raise NetworkError(
                f"the recurrent weight is {r.weight.dtype}, the weight {self.weight.dtype}; "
                "they share a scale and must share a type"
            )

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    def bound(self, max_input: int) -> int:
        """The largest size of what a step adds to a leaked membrane, and of each part of it."""
        total = _feed_bound(self, max_input)
        if self.recurrence is not None:
            total = total + self.recurrence.bound(self.fraction)
        return int(total.max())

    def clamps(self, max_input: int) -> bool:
        """Whether the lower end -2^30 of the membrane is within reach; if not, targets skip it."""
        return not _settles(self.bound(max_input), self.beta)

    def membrane(self, x: F64, v: Ints, hist: Ints | None) -> I64:
        """m, before firing. x: (batch, in) counts, hist: (batch, depth, N) of a recurrence."""
        m = leak(v.astype(np.int64), self.beta) + (product(x, self.weight) << self.fraction)
        m = m + self.bias
        if self.recurrence is not None and hist is not None:
            m = m + self.recurrence.current(self.recurrence.arriving(hist), self.fraction)
        return np.asarray(m)

    def fire(self, m: I64) -> tuple[NDArray[np.bool_], I32]:
        """Who fires, and the membrane after the reset, both (batch, N)."""
        fires = m >= self.threshold
        return fires, np.maximum(np.where(fires, self.v_reset, m), -LIMIT).astype(np.int32)


@dataclass(frozen=True, eq=False)
class IntegerReadout:
    """weight: (classes, N). Fields as in IntegerLayer. decision: as in Readout."""

    weight: Ints
    bias: I32
    beta: int
    fraction: int
    scale: F64
    decision: str = "softmax_sum"

    def __post_init__(self) -> None:
        _common(self)
        if self.decision not in DECISIONS:
            raise NetworkError(
                f"readout: unknown decision '{self.decision}'; allowed: {', '.join(DECISIONS)}"
            )

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def unit(self) -> F32:
        """(classes,): what a membrane unit is worth, y = float32(v) * unit."""
        return np.ldexp(self.scale, -self.fraction).astype(np.float32)

    def bound(self, max_input: int = 1) -> int:
        """The largest size of what a step adds to a leaked membrane, and of each part of it."""
        return int(_feed_bound(self, max_input).max())

    def clamps(self, max_input: int = 1) -> bool:
        """Whether an end of the membrane's range is within reach; if not, targets skip it."""
        return not _settles(self.bound(max_input), self.beta)

    def integrate(self, x: F64, v: Ints) -> I32:
        """The new membrane. x: (batch, N) spikes."""
        m = leak(v.astype(np.int64), self.beta) + (product(x, self.weight) << self.fraction)
        return np.clip(m + self.bias, -LIMIT, LIMIT - 1).astype(np.int32)


# Checks. ------------------------------------------------------------------------------------------


def whole(name: str, value: Any, low: int, high: int) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise NetworkError(f"{name} is {value!r}; a whole number is needed")
    if not low <= value <= high:
        raise NetworkError(f"{name} is {value}; allowed: {low} to {high}")


def row_sums(weight: Ints) -> I64:
    return np.asarray(np.abs(weight.astype(np.int64)).sum(axis=1))


def _array(
    owner: Any, name: str, kinds: tuple[np.dtype[Any], ...], shape: tuple[int | None, ...]
) -> None:
    array = np.ascontiguousarray(getattr(owner, name))
    if array.dtype not in kinds:
        allowed = " or ".join(k.name for k in kinds)
        raise NetworkError(f"{name} is {array.dtype}; {allowed} is needed")
    fits = array.ndim == len(shape) and all(
        want in (None, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.size == 0:
        want_text = ", ".join("any" if s is None else str(s) for s in shape)
        raise NetworkError(f"{name} has shape {list(array.shape)}; [{want_text}] is needed")
    object.__setattr__(owner, name, array)


def _common(part: IntegerLayer | IntegerReadout) -> None:
    _array(part, "weight", WEIGHTS, (None, None))
    _array(part, "bias", (np.dtype(np.int32),), (part.size,))
    _array(part, "scale", (np.dtype(np.float64),), (part.size,))
    if not (np.isfinite(part.scale) & (part.scale > 0)).all():
        raise NetworkError("scale holds a value that is not a positive number")
    whole("beta", part.beta, 0, ONE)
    whole("fraction", part.fraction, 0, MOST_FRACTION)


def _inside(name: str, values: I32) -> None:
    wrong = np.flatnonzero(np.abs(values.astype(np.int64)) >= LIMIT)
    if len(wrong):
        raise NetworkError(
            f"{name}[{wrong[0]}] is {values[wrong[0]]}; allowed: below 2**30 in size"
        )


def _feed_bound(part: IntegerLayer | IntegerReadout, max_input: int) -> I64:
    return (row_sums(part.weight) * max_input << part.fraction) + np.abs(part.bias.astype(np.int64))


def _settles(added: int, beta: int) -> bool:
    """Whether |v'| <= |v| * beta / 2^15 + 1/2 + added keeps v inside the limit for ever."""
    return beta < ONE and (added + 1) * ONE < LIMIT * (ONE - beta)
