"""Integer form of `alif`: the adaptive threshold is one more state, in units of the membrane.

With rested = v < threshold + a(t - 1):

    a'   = clamp(leak_rho(a) + (0 if rested else jump))
    m    = leak_beta(v if rested else v_reset) + I                       reset "hard"
    m    = clamp(leak_beta(v) + I) - (0 if rested else drop + a')        reset "adapted"
    m    = clamp(leak_beta(v) + I) - (0 if rested else drop)             reset "base"
    s    = m >= threshold + a'
    v'   = clamp(m)

The clamp of a is to 2^29 in size. Refractory period: `ops.refractory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.ops.alif import RESETS, Alif
from delrec_compile.ops.integer_arithmetic import Arithmetic
from delrec_compile.ops.integer_constants import adaptive_constants, share, steps_of, whole
from delrec_compile.ops.integer_leak import LIMIT
from delrec_compile.ops.integer_neuron import Constants, IntegerNeuron, State


@dataclass(frozen=True, eq=False)
class IntegerAlif(IntegerNeuron):
    """constants: beta, rho; threshold, v_reset, jump; drop, the threshold; period, in steps."""

    kind: ClassVar[str] = Alif.kind
    shares: ClassVar[tuple[str, ...]] = ("beta", "rho")
    sizes: ClassVar[tuple[str, ...]] = ("threshold", "v_reset", "jump", "drop")
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"reset": RESETS}
    own_states: ClassVar[Mapping[str, str]] = {
        "v": "membrane before reset",
        "a": "rise of the threshold",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.sizes:
            self._check(name, -LIMIT // 2, LIMIT // 2)

    @classmethod
    def of(cls, neuron: Alif, unit: F64) -> IntegerAlif:
        """See `IntegerNeuron.of`."""
        worth = unit * neuron.gain
        constants = adaptive_constants(neuron, worth) | {"jump": whole(neuron.jump, worth)}
        return cls(constants, {"reset": neuron.reset})

    @staticmethod
    def ends(neuron: Alif) -> Any:
        """See `IntegerNeuron.ends`."""
        largest = np.maximum(np.maximum(neuron.threshold, np.abs(neuron.v_reset)), neuron.jump)
        return largest / neuron.gain

    @staticmethod
    def lasting(neuron: Alif) -> float:
        """See `IntegerNeuron.lasting`."""
        return max(steps_of(share(neuron.beta)), steps_of(share(neuron.rho)))

    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See `IntegerNeuron.membrane`."""
        v, zero = state["v"], a.number(0)
        fired = a.reaches(v, a.add(c["threshold"], state["a"]))
        kick = a.where(fired, c["jump"], zero)
        rise = a.keep(a.within(a.add(a.leak(state["a"], c["rho"]), kick), LIMIT // 2))
        kept = a.where(fired, c["v_reset"], v) if self.choices["reset"] == "hard" else v
        m = a.add(a.leak(kept, c["beta"]), current)
        if self.choices["reset"] != "hard":
            drop = a.add(c["drop"], rise) if self.choices["reset"] == "adapted" else c["drop"]
            m = a.less(a.clamp(m), a.where(fired, drop, zero))
        return m, a.add(c["threshold"], rise), {"a": rise}

    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `IntegerNeuron.after`."""
        return {"v": a.clamp(m), "a": held["a"]}
