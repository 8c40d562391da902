"""LIF neuron: leak, add the current, fire, reset.

    m    = beta * v + I
    s    = m >= threshold
    v'   = where(m < threshold, m, v_reset)

The reset is written on `m < threshold`, not on `not s`: the same bits on clean data, and a NaN
membrane resets instead of staying dead for ever.

The product `beta * v` is rounded before the sum on every target: a fused multiply-add would give
other bits than PyTorch.

Source: DelRec (arXiv 2509.24852) and its SpikingJelly LIFNode with `decay_input=False`, hard reset.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import NetworkError

if TYPE_CHECKING:
    import torch

    from delrec_compile.ops.emit import Emitter
    from delrec_compile.ops.emit_lists import Events

F32 = NDArray[np.float32]


@dataclass(frozen=True)
class Lif:
    """Constants of a layer's neurons, held as float32 values.

    beta: membrane kept per step, 0 <= beta <= 1 (with tau: 1 - 1/tau).
    threshold: a membrane at or above it fires.
    v_reset: membrane after a spike.
    """

    beta: float
    threshold: float = 1.0
    v_reset: float = 0.0

    def __post_init__(self) -> None:
        for name in ("beta", "threshold", "v_reset"):
            value = float(np.float32(getattr(self, name)))
            if not np.isfinite(value):
                raise NetworkError(f"lif: {name} is {value}; a finite number is needed")
            object.__setattr__(self, name, value)
        if not 0.0 <= self.beta <= 1.0:
            raise NetworkError(f"lif: beta is {self.beta}; allowed: 0 <= beta <= 1")
        if self.v_reset >= self.threshold:
            raise NetworkError(
                f"lif: v_reset {self.v_reset} is not below the threshold {self.threshold}; "
                "the neuron would fire at every step"
            )


def reference(lif: Lif, current: F32, v: F32) -> tuple[F32, F32]:
    """current, v: (batch, N). Returns spikes (0/1) and the new membrane, both (batch, N)."""
    m = np.float32(lif.beta) * v + current
    fires = m >= np.float32(lif.threshold)
    kept = np.where(m < np.float32(lif.threshold), m, np.float32(lif.v_reset))
    return fires.astype(np.float32), kept.astype(np.float32)


def torch_form(lif: Lif, current: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same in eager torch: `mul` then `add`, so that no fused multiply-add is used.

    Returns spikes, the new membrane, and the membrane before the reset.
    """
    m = (v * lif.beta).add(current)
    spikes = (m >= lif.threshold).to(m.dtype)
    return spikes, m.where(m < lif.threshold, m.new_full((), lif.v_reset)), m


# attributes of the function: beta, threshold, v_reset
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Lif <beta, threshold, v_reset> (current, v) => (spikes, v_next)
{
    beta_value = Constant <value_float: float = @beta> ()
    threshold_value = Constant <value_float: float = @threshold> ()
    reset_value = Constant <value_float: float = @v_reset> ()
    leaked = Mul (v, beta_value)
    m = Add (leaked, current)
    fires = GreaterOrEqual (m, threshold_value)
    spikes = Cast <to = 1> (fires)
    below = Less (m, threshold_value)
    v_next = Where (below, m, reset_value)
}
"""


def constants(lif: Lif) -> F32:
    """beta, threshold, v_reset: what `emit` reads. A table, because C text prints float literals
    with seven digits."""
    return np.array([lif.beta, lif.threshold, lif.v_reset], np.float32)


def emit_leak(e: Emitter, beta: Any, v: Any, at: Any, lanes: int) -> Any:
    """beta * v of one block, rounded before it is added to anything."""
    return e.rounded(e.load(v, at, lanes) * e.splat(beta, lanes), lanes)


def emit(
    e: Emitter, lif: Any, current: Any, v: Any, spikes: Events, base: Any, at: int, lanes: int
) -> None:
    """One block: leak, add the current, append the spikes to the list, reset.

    lif: the table of `constants`. v: the membranes from neuron `base` on, updated in place.
    """
    m = e.register(lanes, emit_leak(e, lif[0], v, at, lanes) + current)
    if e.schedule.events == "branch":
        for q in range(lanes):
            _emit_branch(e, lif, m[q], v, spikes, base, at + q)
        return

    def fires(q: int, width: int) -> Any:
        return e.load(m, q, width) >= e.splat(lif[1], width)

    e.append(spikes, fires, base + at, lanes)
    block = e.load(m, 0, lanes)
    below = block < e.splat(lif[1], lanes)
    e.store(v, at, lanes, e.T.Select(below, block, e.splat(lif[2], lanes)))


def _emit_branch(e: Emitter, lif: Any, m: Any, v: Any, spikes: Events, base: Any, at: int) -> None:
    """One neuron; one that stays below its threshold costs one comparison."""

    def keep() -> None:
        e.store(v, at, 1, m)

    with e.otherwise(m < lif[1], keep):
        e.store(v, at, 1, lif[2])
        with e.when(m >= lif[1]):
            e.append_always(spikes, base + at)
