"""The refractory period of R steps: a neuron that fired stays at v_reset and does not fire.

    busy        = 0 < refractory <= R
    m           = where(busy, v_reset, m)                         whatever its current
    refractory' = where(busy, refractory - 1, where(fires, R, 0))

The state `refractory` counts the steps that are left. A damaged counter, NaN as well, is not busy, or
falls below 1 in R steps at most. R is one number per layer, or one per neuron; 0 is no such period.

Sources: NEST `iaf_psc_delta` (`t_ref`); Norse `LIFRefrac` with a hard reset (`rho_reset`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from delrec_compile.aliases import F32
    from delrec_compile.compiler.tir.emitter import Emitter

REFRACTORY = "refractory"  # name of the field and of the state variable
MEANING = "steps until the neuron can fire again"
MAX_STEPS = 4094
ALLOWED = f"a whole number of steps, 0 to {MAX_STEPS}"
WAITS = "Refractory"  # end of the name of an ONNX function with a refractory period
# nodes from `m_free`, `refractory` and `steps` to `m`, and behind `spikes`; `zero` and `one` are there
HELD = """
    waits = Less (zero, refractory)
    beyond = Less (steps, refractory)
    held = Where (beyond, m_free, v_reset)
    m = Where (waits, held, m_free)"""
COUNT = """fewer = Sub (refractory, one)
    begun = Mul (spikes, steps)
    counted = Where (beyond, begun, fewer)
    refractory_next = Where (waits, counted, begun)"""


def is_period(steps: float | F32) -> Any:
    """Whether a value is ALLOWED."""
    return (steps >= 0) & (steps <= MAX_STEPS) & (steps == np.floor(steps))


def is_busy(left: Any, steps: Any) -> Any:
    """Whether a neuron fired a short time ago, in NumPy or torch."""
    return (left > 0) & (left <= steps)


def count(left: Any, steps: Any, fires: Any, where: Callable[..., Any]) -> Any:
    """The counter after a step, in NumPy or torch. where: as `numpy.where`."""
    return where(is_busy(left, steps), left - 1, where(fires, steps, 0 * steps))


def hold(e: Emitter, m: Any, left: Any, steps: Any, v_reset: Any, lanes: int) -> None:
    """Puts v_reset in the register m where a neuron is busy. left, steps, v_reset: of the block."""
    e.store(m, 0, lanes, e.T.Select(_busy(e, left, steps, lanes), v_reset, e.load(m, 0, lanes)))


def counted(e: Emitter, left: Any, steps: Any, fires: Any, lanes: int) -> Any:
    """The counters of a block after the step."""
    T, zero = e.T, e.zero("float32", lanes)
    begun = T.Select(fires, steps, zero)
    fewer = left - e.splat(T.float32(1), lanes)
    return T.Select(_busy(e, left, steps, lanes), fewer, begun)


def _busy(e: Emitter, left: Any, steps: Any, lanes: int) -> Any:
    return e.T.And(left > e.zero("float32", lanes), left <= steps)
