"""The parts of an integer network: layers and readout as integer arrays, checked when made.

Their step is defined in `delrec_compile.network.integer.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32, F64, I32, I64, Ints
from delrec_compile.errors import NetworkError
from delrec_compile.network.integer.checks import (
    WEIGHTS,
    product,
    require_array,
    require_int,
    row_sums,
)
from delrec_compile.network.integer.synapses import IntegerDense, IntegerSynapses
from delrec_compile.ops.lif import RESETS, STATES
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.readout import DECISIONS, Readout
from delrec_compile.ops.registry import READOUTS

Q = 15  # fractional bits of beta
ONE = 1 << Q
LIMIT = 1 << 30  # of a membrane, and of all that a step adds to it
MAX_FRACTION = 15


def leak(v: I64, beta: int | I32) -> I64:
    """round(v * beta / 2^15), halves upwards: a 64-bit product and an arithmetic shift."""
    return (v * np.asarray(beta, np.int64) + (ONE >> 1)) >> Q


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """weight: (out, in) int8 or int16. bias, threshold, v_reset: (out,) int32, in membrane units.

    maps: shape of a convolution in place of the product, or None; weight is then its kernel.
    beta: share of the membrane left after a step, in 2^-15, one or (out,) int32. fraction: a weight
    unit is 2^fraction membrane units. scale: (out,) float64, worth of a weight unit in the current of
    the float network. reset: as in Lif. drop: (out,) int32 that a soft reset subtracts, in membrane
    units; None with a hard reset. Raises NetworkError.
    """

    weight: Ints
    bias: I32
    threshold: I32
    v_reset: I32
    beta: int | I32
    fraction: int
    scale: F64
    recurrence: IntegerSynapses | None = None
    reset: str = "hard"
    drop: I32 | None = None
    maps: Maps | None = None

    def __post_init__(self) -> None:
        _common(self, (None, None) if self.maps is None else self.maps.kernel)
        if self.reset not in RESETS:
            raise NetworkError(f"unknown reset '{self.reset}'; allowed: {', '.join(RESETS)}")
        if (self.drop is None) != (self.reset == "hard"):
            raise NetworkError("drop is required for a soft reset and not allowed for a hard one")
        for name in ("threshold", "v_reset", *(["drop"] if self.drop is not None else [])):
            require_array(self, name, (np.dtype(np.int32),), (self.size,))
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
        if isinstance(r, IntegerDense) and r.dtype != self.weight.dtype:
            raise NetworkError(
                f"the recurrent weight is {r.dtype}, the weight {self.weight.dtype}; "
                "they share a scale and must share a type"
            )

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable of the neurons, by name."""
        return STATES

    @property
    def size(self) -> int:
        return len(self.weight) if self.maps is None else self.maps.size

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1]) if self.maps is None else self.maps.inputs

    def bound(self, max_input: int) -> int:
        """Largest |sum| that a step can add to a leaked membrane, and of each part of it."""
        total = _feed_bound(self, max_input)
        if self.recurrence is not None:
            total = total + self.recurrence.bound()
        return int(total.max())

    def feed(self, x: F64) -> I64:
        """Current (batch, size) of counts (batch, in), in weight units."""
        if self.maps is None:
            return product(x, self.weight)
        return np.rint(self.maps.reference(x, self.weight.astype(np.float64))).astype(np.int64)  # type: ignore[arg-type]

    def clamps(self, max_input: int) -> bool:
        """Whether an end of the membrane's range is within reach; if not, targets skip it.

        With a hard reset only the lower one, -2^30, can be.
        """
        late = self.drop is not None and self.reset == "soft_later"
        more = int(np.abs(self.drop).max()) if late and self.drop is not None else 0
        return not _settles(self.bound(max_input) + more, int(np.max(self.beta)))

    def membrane(self, x: F64, v: Ints, hist: Ints | None) -> I64:
        """m, before firing. x: (batch, in) counts, hist: (batch, depth, N) of a recurrence."""
        m: Any = leak(v.astype(np.int64), self.beta)
        if self.drop is not None and self.reset == "soft_later":
            m = m - (v >= self.threshold) * self.drop.astype(np.int64)
        m = m + (self.feed(x) << self.fraction) + self.bias
        if self.recurrence is not None and hist is not None:
            m = m + self.recurrence.current(hist)
        return np.asarray(m)

    def fire(self, m: I64) -> tuple[NDArray[np.bool_], I32]:
        """The spikes, and the membrane after the reset, both (batch, N)."""
        fires = m >= self.threshold
        if self.drop is None:
            return fires, np.maximum(np.where(fires, self.v_reset, m), -LIMIT).astype(np.int32)
        new = m - np.where(fires, self.drop, 0) if self.reset == "soft" else m
        return fires, np.clip(new, -LIMIT, LIMIT - 1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class IntegerReadout:
    """weight: (classes, N). Fields as in IntegerLayer. decision, kind: as in Readout.

    Raises NetworkError.
    """

    weight: Ints
    bias: I32
    beta: int
    fraction: int
    scale: F64
    decision: str = "softmax_sum"
    kind: str = "leaky"

    def __post_init__(self) -> None:
        _common(self, (None, None))
        for name, allowed in (("decision", DECISIONS), ("kind", tuple(READOUTS))):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"readout: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        beta = self.form.fixed_beta
        if beta is not None and self.beta != beta * ONE:
            raise NetworkError(f"readout: a {self.kind} readout has beta {int(beta * ONE)}")

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def form(self) -> type[Readout]:
        """The float32 readout of the same kind."""
        return READOUTS[self.kind]

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable, by name."""
        return self.form.states

    @property
    def has_membrane(self) -> bool:
        """Whether the readout has state."""
        return bool(self.states)

    @property
    def unit(self) -> F32:
        """(classes,): worth of a membrane unit, y = float32(v) * unit."""
        return np.ldexp(self.scale, -self.fraction).astype(np.float32)

    def bound(self, max_input: int = 1) -> int:
        """Largest |sum| that a step can add to a leaked membrane, and of each part of it."""
        return int(_feed_bound(self, max_input).max())

    def clamps(self, max_input: int = 1) -> bool:
        """Whether an end of the membrane's range is within reach; if not, targets skip it."""
        return not _settles(self.bound(max_input), self.beta)

    def integrate(self, x: F64, v: Ints | None) -> tuple[I32, I32 | None]:
        """x: (batch, N) spikes. Returns y in membrane units, and the new membrane if it has one."""
        step_bias, offset = (0, self.bias) if self.form.bias_on_output else (self.bias, 0)
        current = (product(x, self.weight) << self.fraction) + step_bias
        if v is None:
            return (current + offset).astype(np.int32), None
        m = leak(v.astype(np.int64), self.beta) + current
        new = np.clip(m, -LIMIT, LIMIT - 1).astype(np.int32)
        return new + offset, new


# Checks. ------------------------------------------------------------------------------------------


def _common(part: IntegerLayer | IntegerReadout, shape: tuple[int | None, ...]) -> None:
    """shape: of the weight."""
    require_array(part, "weight", WEIGHTS, shape)
    require_array(part, "bias", (np.dtype(np.int32),), (part.size,))
    require_array(part, "scale", (np.dtype(np.float64),), (part.size,))
    if not (np.isfinite(part.scale) & (part.scale > 0)).all():
        raise NetworkError("scale holds a value that is not a positive number")
    if isinstance(part.beta, np.ndarray):
        require_array(part, "beta", (np.dtype(np.int32),), (part.size,))
        require_int("beta", int(part.beta.min()), 0, ONE)
        require_int("beta", int(part.beta.max()), 0, ONE)
    else:
        require_int("beta", part.beta, 0, ONE)
    require_int("fraction", part.fraction, 0, MAX_FRACTION)


def _inside(name: str, values: I32) -> None:
    wrong = np.flatnonzero(np.abs(values.astype(np.int64)) >= LIMIT)
    if len(wrong):
        raise NetworkError(
            f"{name}[{wrong[0]}] is {values[wrong[0]]}; allowed: below 2**30 in magnitude"
        )


def _feed_bound(part: IntegerLayer | IntegerReadout, max_input: int) -> I64:
    rows = row_sums(part.weight.reshape(len(part.weight), -1)) * max_input << part.fraction
    return np.repeat(rows, part.size // len(rows)) + np.abs(part.bias.astype(np.int64))


def _settles(added: int, beta: int) -> bool:
    """Whether |v'| <= |v| * beta / 2^15 + 1/2 + added holds v inside the limit for ever."""
    return beta < ONE and (added + 1) * ONE < LIMIT * (ONE - beta)
