"""Integer form of `alpha`: two traces of the current, and the membrane that is their sum.

    e  = clamp(leak_alpha(i_exc) + I)
    h  = clamp(leak_beta(i_inh) - I)
    m  = clamp(e + h),   s = m >= threshold
    i_exc', i_inh', v' = e, h, m

In the step after a spike (v >= threshold) the reset "hard_later" sets all three to 0; "soft_later":

    i_exc', i_inh', m = clamp(e - drop), 0, clamp(e + h) + i_inh / gain

The traces are in units of I, the membrane in units worth gain times as much, so that only i_inh is
multiplied: `i_inh / gain = floor((i_inh * inverse + 2^14) / 2^15) * 2^places`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64, I64
from delrec_compile.ops.alpha import RESETS, Alpha
from delrec_compile.ops.integer_arithmetic import Arithmetic
from delrec_compile.ops.integer_constants import factor, level_of, share, steps_of, whole
from delrec_compile.ops.integer_neuron import Constants, IntegerNeuron, State


@dataclass(frozen=True, eq=False)
class IntegerAlpha(IntegerNeuron):
    """constants: alpha, beta; threshold; of a soft reset drop, inverse and places."""

    kind: ClassVar[str] = Alpha.kind
    shares: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    sizes: ClassVar[tuple[str, ...]] = ("threshold", "drop", "inverse", "places")
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"reset": RESETS}
    own_states: ClassVar[Mapping[str, str]] = Alpha.states

    @classmethod
    def of(cls, neuron: Alpha, unit: F64) -> IntegerAlpha:
        """See `IntegerNeuron.of`."""
        soft = neuron.reset == "soft_later"
        inverse, places = factor(1 / np.asarray(neuron.gain, np.float64)) if soft else (0, 0)
        constants = {
            "alpha": share(neuron.alpha),
            "beta": share(neuron.beta),
            "threshold": level_of(neuron.threshold, neuron.fires, unit * neuron.gain).astype(
                np.int32
            ),
            "drop": whole(neuron.threshold, unit) if soft else 0,
            "inverse": inverse,
            "places": places,
        }
        return cls(constants, {"reset": neuron.reset})

    @staticmethod
    def ends(neuron: Alpha) -> Any:
        """See `IntegerNeuron.ends`."""
        return np.maximum(neuron.threshold / neuron.gain, neuron.threshold)

    @staticmethod
    def lasting(neuron: Alpha) -> float:
        """See `IntegerNeuron.lasting`."""
        return steps_of(share(neuron.alpha))

    @property
    def span(self) -> I64:
        """See `IntegerNeuron.span`."""
        return np.asarray(self.constants["threshold"], np.int64)

    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See `IntegerNeuron.membrane`."""
        late, zero = a.reaches(state["v"], c["threshold"]), a.number(0)
        exciting = a.keep(a.clamp(a.add(a.leak(state["i_exc"], c["alpha"]), current)))
        inhibiting = a.keep(a.clamp(a.less(a.leak(state["i_inh"], c["beta"]), current)))
        m = a.clamp(a.add(exciting, inhibiting))
        lowered, after = zero, zero
        if self.choices["reset"] == "soft_later":
            lowered = a.clamp(a.less(exciting, c["drop"]))
            old = a.clamp(state["i_inh"])
            after = a.add(m, a.times(old, c["inverse"], int(self.constants["places"])))
        held = {
            "i_exc": a.keep(a.where(late, lowered, exciting)),
            "i_inh": a.keep(a.where(late, zero, inhibiting)),
        }
        return a.where(late, after, m), c["threshold"], held

    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `IntegerNeuron.after`."""
        return {"i_exc": held["i_exc"], "i_inh": held["i_inh"], "v": a.clamp(m)}
