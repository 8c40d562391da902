"""Integer form of `cuba_lif`: a synaptic current, then the integer LIF neuron that takes it.

    i' = clamp(leak_alpha(i) + I)
    m, v' as in `integer_lif`, with i' in place of I, or i where the "old" one enters

A unit of i is worth gain_i times that of I, a unit of v gain times that of i: nothing is multiplied
but the leaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.ops.cuba_lif import ENTERS, CubaLif
from delrec_compile.ops.integer_arithmetic import Arithmetic
from delrec_compile.ops.integer_constants import share, steps_of
from delrec_compile.ops.integer_lif import IntegerLif, membrane_constants
from delrec_compile.ops.integer_neuron import Constants, State
from delrec_compile.ops.lif import ALL_RESETS


@dataclass(frozen=True, eq=False)
class IntegerCubaLif(IntegerLif):
    """constants: alpha, and those of the LIF neuron."""

    kind: ClassVar[str] = CubaLif.kind
    shares: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"reset": ALL_RESETS, "enters": ENTERS}
    own_states: ClassVar[Mapping[str, str]] = CubaLif.states

    @classmethod
    def of(cls, neuron: CubaLif, unit: F64) -> IntegerCubaLif:  # type: ignore[override]
        """See `IntegerNeuron.of`."""
        constants = membrane_constants(neuron.membrane, unit * neuron.gain_i * neuron.gain)
        choices = {"reset": neuron.reset, "enters": neuron.enters}
        return cls({"alpha": share(neuron.alpha), **constants}, choices)

    @staticmethod
    def ends(neuron: CubaLif) -> Any:  # type: ignore[override]
        """See `IntegerNeuron.ends`."""
        return IntegerLif.ends(neuron.membrane) / np.asarray(neuron.gain_i, np.float64)

    @staticmethod
    def lasting(neuron: CubaLif) -> float:  # type: ignore[override]
        """See `IntegerNeuron.lasting`."""
        return steps_of(share(neuron.alpha), share(neuron.beta))

    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See `IntegerNeuron.membrane`."""
        new = a.keep(a.clamp(a.add(a.leak(state["i"], c["alpha"]), current)))
        enters = new if self.choices["enters"] == "new" else state["i"]
        m, level, held = super().membrane(a, c, enters, state)
        return m, level, {**held, "i": new}

    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `IntegerNeuron.after`."""
        return {"i": held["i"], **super().after(a, c, m, fires, held)}

    def clamps(self, bound: int) -> bool:
        """The synaptic current adds up to what any step of it can."""
        return True

    def tile(self, *args: Any, **options: Any) -> Any:
        """See `IntegerNeuron.tile`."""
        return super(IntegerLif, self).tile(*args, **options)
