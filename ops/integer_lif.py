"""Integer LIF neuron: the meaning of `lif` in integers, the same bits on every target.

    m  = leak(v) + I
    s  = m >= threshold
    v' = max(v_reset if s else m, -2^30)             reset "hard"
    v' = clamp(m - drop if s else m)                 "soft": to -2^30 .. 2^30 - 1
    m  = leak(v) - (drop if v >= threshold) + I,  v' = clamp(m)      "soft_later"
    m  = v_reset if v >= threshold else leak(v) + I,  v' = clamp(m)  "hard_later"

A state that no run makes, of damaged memory, gives some m of 32 bits and is within its limits again
after a few steps; nothing is undefined.

LIF is homogeneous: with a scale for each neuron, its gain in it, nothing is multiplied but the leak. A
neuron that fires above its threshold has a level one higher than the largest m at which it does not.
In its refractory period m is v_reset: `ops.refractory`. I holds the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F64
from delrec_compile.errors import NetworkError
from delrec_compile.ops.integer_arithmetic import Arithmetic
from delrec_compile.ops.integer_constants import PERIOD, level_of, one_of, share, steps_of, whole
from delrec_compile.ops.integer_leak import LIMIT, ONE, is_half
from delrec_compile.ops.integer_lif_tir import IntegerLifTile
from delrec_compile.ops.integer_neuron import Constants, IntegerNeuron, State
from delrec_compile.ops.lif import ALL_RESETS, STATES, Lif

if TYPE_CHECKING:
    from delrec_compile.compiler.tir.emitter import Emitter


@dataclass(frozen=True, eq=False)
class IntegerLif(IntegerNeuron):
    """constants: beta; threshold, v_reset, drop of a soft reset; period, in steps."""

    kind: ClassVar[str] = Lif.kind
    shares: ClassVar[tuple[str, ...]] = ("beta",)
    sizes: ClassVar[tuple[str, ...]] = ("threshold", "v_reset")
    words: ClassVar[Mapping[str, tuple[str, ...]]] = {"reset": ALL_RESETS}
    own_states: ClassVar[Mapping[str, str]] = STATES

    def __post_init__(self) -> None:
        super().__post_init__()
        if ("drop" in self.constants) != self.reset.startswith("soft"):
            raise NetworkError("drop is required for a soft reset and not allowed for a hard one")
        if "drop" in self.constants:
            self._check("drop", 1 - LIMIT, LIMIT)
        threshold, v_reset = (np.atleast_1d(self.constants[n]) for n in self.sizes)
        wrong = np.flatnonzero(v_reset >= threshold)
        if len(wrong):
            at = wrong[0]
            raise NetworkError(
                f"v_reset[{at}] = {v_reset[at]} is not below threshold[{at}] = "
                f"{threshold[at]}; the neuron would fire at every step"
            )

    @property
    def reset(self) -> str:
        return self.choices["reset"]

    @classmethod
    def of(cls, neuron: Lif, unit: F64) -> IntegerLif:
        """See `IntegerNeuron.of`."""
        return cls(membrane_constants(neuron, unit * neuron.gain), {"reset": neuron.reset})

    @staticmethod
    def ends(neuron: Lif) -> Any:
        """See `IntegerNeuron.ends`."""
        return np.maximum(np.abs(neuron.threshold), np.abs(neuron.v_reset)) / neuron.gain

    @staticmethod
    def lasting(neuron: Lif) -> float:
        """See `IntegerNeuron.lasting`."""
        return steps_of(share(neuron.beta))

    def membrane(
        self, a: Arithmetic, c: Constants, current: Any, state: State
    ) -> tuple[Any, Any, dict[str, Any]]:
        """See `IntegerNeuron.membrane`."""
        v, level = state["v"], c["threshold"]
        m = a.leak(v, c["beta"])
        if self.reset == "soft_later":
            m = a.less(m, a.where(a.reaches(v, level), c["drop"], a.number(0)))
        m = a.add(m, current)
        if self.reset == "hard_later":
            m = a.where(a.reaches(v, level), c["v_reset"], m)
        return m, level, {}

    def after(
        self, a: Arithmetic, c: Constants, m: Any, fires: Any, held: Mapping[str, Any]
    ) -> dict[str, Any]:
        """See `IntegerNeuron.after`."""
        if self.reset == "hard":
            return {"v": a.clamp(a.where(fires, c["v_reset"], m))}
        if self.reset == "soft":
            m = a.less(m, a.where(fires, c["drop"], a.number(0)))
        return {"v": a.clamp(m)}

    def tables(self) -> dict[str, Any]:
        """See `IntegerNeuron.tables`."""
        unused = self.reset.startswith("soft") and not self.is_refractory
        return {k: v for k, v in self.arrays().items() if not (unused and k == "v_reset")}

    def clamps(self, bound: int) -> bool:
        """With a hard reset only the lower end, -2^30, can be within reach."""
        late = int(np.abs(self.constants["drop"]).max()) if self.reset == "soft_later" else 0
        return not settles(bound + late, int(np.max(self.constants["beta"])))

    def tile(
        self,
        e: Emitter,
        buffers: Callable[[str], Any],
        base: Any,
        size: int,
        bound: int,
        *,
        biased: bool = True,
    ) -> Any:
        """The plain forms have a tile of their own, which compiles to less code."""
        if self.is_refractory or self.reset == "hard_later":
            return super().tile(e, buffers, base, size, bound, biased=biased)
        tables = self.tables()

        def part(name: str) -> Any:
            return e.view(buffers(name), base, size)

        return IntegerLifTile(
            e,
            base,
            part("v"),
            part("beta") if "beta" in tables else self.constants["beta"],
            part("bias") if biased else None,
            part("threshold"),
            part("v_reset") if "v_reset" in tables else self.constants["v_reset"],
            self.clamps(bound),
            self.reset,
            part("drop") if "drop" in tables else None,
            is_half(self.constants["beta"]),
        )


def membrane_constants(neuron: Lif, worth: F64) -> dict[str, Any]:
    """Constants of a LIF neuron. worth: of a unit of the membrane."""
    level = level_of(neuron.threshold, neuron.fires, worth)
    v_reset = one_of(np.minimum(np.rint(neuron.v_reset / worth), level - 1).astype(np.int32))
    out = {"beta": share(neuron.beta), "threshold": level.astype(np.int32), "v_reset": v_reset}
    if neuron.reset.startswith("soft"):
        out["drop"] = whole(neuron.threshold, worth)
    if neuron.is_refractory:
        out[PERIOD] = np.broadcast_to(neuron.refractory, len(worth)).astype(np.int32)
    return out


def settles(added: int, beta: int) -> bool:
    """Whether |v'| <= |v| * beta / 2^15 + 1/2 + added holds v inside the limit for ever."""
    return beta < ONE and (added + 1) * ONE < LIMIT * (ONE - beta)
