"""ALIF, the adaptive threshold neuron: each spike raises the threshold, which falls back slowly.

With `rested` of `ops.adaptive` and the period of `ops.refractory`, at level = threshold + a(t - 1):

    a'   = rho * a + where(rested, 0, jump)
    m    = beta * where(rested, v, v_reset) + gain * I                 reset "hard"
    m    = beta * v + gain * I - where(rested, 0, threshold + a')      reset "adapted"
    m    = beta * v + gain * I - where(rested, 0, threshold)           reset "base"
    s    = m >= threshold + a'                                         fires "at"; `>` "above"
    v'   = m

beta, rho, jump, threshold, v_reset, gain and refractory are each one number per layer, or one per
neuron. Broken values (NaN, infinite, beyond 1e30) heal in the step that finds them: v' = v_reset,
a' = 0. Each product is rounded before it is added.

Sources: LSNN (Bellec et al. 2018, arXiv 1803.09574), reset "adapted"; e-prop (Bellec et al. 2020,
doi 10.1038/s41467-020-17236-y, eq. 6 to 8), reset "base"; Norse `lsnn`, reset "hard". All fire above.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from delrec_compile.ops.adaptive import Adaptive, Where
from delrec_compile.ops.adaptive_onnx import Form
from delrec_compile.ops.adaptive_tir import AdaptiveTile
from delrec_compile.ops.constants import Number
from delrec_compile.ops.lif_tir import heal
from delrec_compile.ops.neuron import BROKEN
from delrec_compile.ops.nodes import Nodes
from delrec_compile.ops.refractory import WAITS
from delrec_compile.ops.threshold_onnx import FIRES

NUMBERS = ("beta", "rho", "jump", "threshold", "v_reset", "gain")
RESETS = ("hard", "adapted", "base")
ADAPT = """level = Add (threshold, a)
    {rested}
    kick = Where (rested, zero, jump)
    fallen = Mul (a, rho)
    risen = Add (fallen, kick)
    risen_size = Abs (risen)
    risen_sound = Less (risen_size, upper)
    a_next = Where (risen_sound, risen, zero)
    level_next = Add (threshold, a_next)
    scaled = Mul (current, gain)"""
HARD = """
    kept = Where (rested, v, v_reset)
    leaked = Mul (kept, beta)
    {m} = Add (leaked, scaled)"""
SOFT = """
    leaked = Mul (v, beta)
    total = Add (leaked, scaled)
    drop = Where (rested, zero, DROP)
    {m} = Sub (total, drop)"""
BODIES = {
    "hard": ADAPT + HARD,
    "adapted": ADAPT + SOFT.replace("DROP", "level_next"),
    "base": ADAPT + SOFT.replace("DROP", "threshold"),
}


def _name(fires: str, reset: str) -> str:
    """Name of the function of a form."""
    return "Alif" + reset.title() + fires.title()


FORMS = [
    Form(_name(fires, reset), NUMBERS, "a", BODIES[reset], "level_next", fires, "level")
    for fires in FIRES
    for reset in RESETS
]
CHOICES = {_name(f, r): {"fires": f, "reset": r} for f in FIRES for r in RESETS}
NODES: Nodes = {node: shapes for form in FORMS for node, shapes in form.nodes().items()}
ONNX = tuple(text for form in FORMS for text in form.texts())


class AlifTile(AdaptiveTile):
    """A tile of `Alif` neurons."""

    def membrane(self, current: Any, at: int, lanes: int) -> tuple[Any, Any]:
        """See `AdaptiveTile.membrane`."""
        e, zero = self.e, self.e.zero("float32", lanes)
        beta, rho, jump, threshold, v_reset, gain = (
            self.constant(name, at, lanes) for name in self.neuron.numbers
        )
        v, old = (e.load(self.state[name], at, lanes) for name in ("v", "a"))
        before = e.register(lanes, threshold + old)
        level = e.load(before, 0, lanes)
        kick = self.rested(v, level, zero, jump)
        risen = e.register(lanes, e.rounded(old * rho, lanes) + kick)
        heal(e, risen, lanes)
        a = e.load(risen, 0, lanes)
        kept = self.rested(v, level, v, v_reset) if self.neuron.reset == "hard" else v
        m = e.rounded(kept * beta, lanes) + e.rounded(current * gain, lanes)
        if self.neuron.reset != "hard":
            drop = threshold + a if self.neuron.reset == "adapted" else threshold
            m = m - self.rested(v, level, zero, drop)
        m = e.load(e.register(lanes, m), 0, lanes)
        e.store(self.state["a"], at, lanes, a)
        return m, threshold + a


@dataclass(frozen=True, eq=False)
class Alif(Adaptive):
    """beta: share of the membrane that is left after a step. rho: that of the adaptation.

    jump: rise of the threshold after a spike, 0 or more. threshold: level of a rested neuron, above 0.
    v_reset: membrane after a hard reset, below the threshold. gain: factor of the current, above 0.
    refractory: steps. Raises NetworkError.
    """

    beta: Number
    rho: Number
    jump: Number
    threshold: Number = 1.0
    v_reset: Number = 0.0
    gain: Number = 1.0
    refractory: Number = 0.0
    fires: str = "at"
    reset: str = "hard"
    kind: ClassVar[str] = "alif"
    numbers: ClassVar[tuple[str, ...]] = NUMBERS
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"fires": FIRES, "reset": RESETS}
    adaptation: ClassVar[tuple[str, str]] = ("a", "rise of the threshold")
    tile_class: ClassVar[type[AlifTile]] = AlifTile
    onnx: ClassVar[tuple[str, ...]] = ONNX
    nodes: ClassVar[Nodes] = NODES

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("jump", self.jump >= 0, "0 or more")

    def membrane(
        self, current: Any, v: Any, adapted: Any, c: Mapping[str, Any], where: Where
    ) -> tuple[Any, Any, Any]:
        """See `Adaptive.membrane`."""
        threshold, zero = c["threshold"], 0 * c["threshold"]
        rested = self.is_below(v, threshold + adapted)
        a = c["rho"] * adapted + where(rested, zero, c["jump"])
        a = where(abs(a) <= BROKEN, a, zero)
        level = threshold + a
        kept = where(rested, v, c["v_reset"]) if self.reset == "hard" else v
        m = c["beta"] * kept + c["gain"] * current
        if self.reset != "hard":
            m = m - where(rested, zero, level if self.reset == "adapted" else threshold)
        return m, a, level

    @property
    def form(self) -> str:
        """See `Adaptive.form`."""
        return _name(self.fires, self.reset) + (WAITS if self.is_refractory else "")

    @classmethod
    def of_form(cls, op: str) -> dict[str, str]:
        """See `Adaptive.of_form`."""
        return CHOICES[op.removesuffix(WAITS)]
