"""Integer form of `adlif`: the adaptation current is one more state, in units of I.

With rested = v < threshold:

    r    = v if rested else v_reset                          reset "hard"
    r    = v if rested else v - drop                         reset "soft"
    w'   = clamp(leak_rho(w) + a * u + (0 if rested else b))
    m    = leak_beta(r) + clamp(I - c)
    s    = m >= threshold,   v' = clamp(m)

u and c by the order, as in `ops.adlif`. The membrane is in units worth gain times those of w and I; so
`a * u = floor((u * coupling + 2^14) / 2^15) * 2^places`, with coupling from a * gain. The clamp of w
is to 2^29 in size. Refractory period: `ops.refractory`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.ops.adlif import ORDERS, RESETS, Adlif
from delrec_compile.ops.integer_arithmetic import Arithmetic
from delrec_compile.ops.integer_constants import adaptive_constants, factor, share, steps_of, whole
from delrec_compile.ops.integer_leak import LIMIT
from delrec_compile.ops.integer_neuron import Constants, IntegerNeuron, State


@dataclass(frozen=True, eq=False)
class IntegerAdlif(IntegerNeuron):
    """constants: beta, rho; threshold, v_reset, drop, the threshold; b; coupling, places; period."""

    kind: ClassVar[str] = Adlif.kind
    shares: ClassVar[tuple[str, ...]] = ("beta", "rho")
    sizes: ClassVar[tuple[str, ...]] = ("threshold", "v_reset", "drop", "b", "coupling", "places")
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"reset": RESETS, "order": ORDERS}
    own_states: ClassVar[Mapping[str, str]] = {
        "v": "membrane before reset",
        "w": "adaptation current",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("b", -LIMIT // 2, LIMIT // 2)

    @classmethod
    def of(cls, neuron: Adlif, unit: F64) -> IntegerAdlif:
        """See `IntegerNeuron.of`."""
        coupling, places = factor(np.asarray(neuron.a, np.float64) * neuron.gain)
        more = {"b": whole(neuron.b, unit), "coupling": coupling, "places": places}
        constants = adaptive_constants(neuron, unit * neuron.gain) | more
        return cls(constants, {"reset": neuron.reset, "order": neuron.order})

    @staticmethod
    def ends(neuron: Adlif) -> Any:
        """See `IntegerNeuron.ends`."""
        membrane = np.maximum(neuron.threshold, np.abs(neuron.v_reset)) / neuron.gain
        return np.maximum(membrane, np.abs(neuron.b))

    @staticmethod
    def lasting(neuron: Adlif) -> float:
        """See `IntegerNeuron.lasting`."""
        return max(steps_of(share(neuron.beta)), steps_of(share(neuron.rho)))

    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See `IntegerNeuron.membrane`."""
        v, old = a.keep(a.clamp(state["v"])), state["w"]
        fired = a.reaches(v, c["threshold"])
        to = c["v_reset"] if self.choices["reset"] == "hard" else a.less(v, c["drop"])
        r = a.keep(a.where(fired, to, v))
        u = v if self.choices["order"] == "unreset" else r
        coupled = a.times(u, c["coupling"], int(self.constants["places"]))
        kick = a.where(fired, c["b"], a.number(0))
        driven = a.add(a.add(a.leak(old, c["rho"]), coupled), kick)
        w = a.keep(a.within(driven, LIMIT // 2))
        taken = old if self.choices["order"] == "euler" else w
        m = a.add(a.leak(r, c["beta"]), a.clamp(a.less(current, taken)))
        return m, c["threshold"], {"w": w}

    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `IntegerNeuron.after`."""
        return {"v": a.clamp(m), "w": held["w"]}
