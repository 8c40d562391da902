"""adLIF, the neuron with an adaptation current w, driven by its membrane and by its spikes.

With `rested` of `ops.adaptive` and the period of `ops.refractory`, at level = threshold:

    r    = where(rested, v, v_reset)                        reset "hard"
    r    = where(rested, v, v - threshold)                  reset "soft"
    w'   = rho * w + a * u + where(rested, 0, b)            u: see the orders
    m    = beta * r + gain * (I - c)                        c: see the orders
    s    = m >= threshold                                   fires "at"; `>` where it fires "above"
    v'   = m

    order         u   c    source
    symplectic    r   w'   Baronig et al. 2024 (arXiv 2408.07517), SE-adLIF
    euler         r   w    the same, EF-adLIF
    unreset       v   w'   Bittar & Garner 2022 (doi 10.3389/fnins.2022.865897) and its code, sparch

beta, rho, a, b, threshold, v_reset, gain and refractory are each one number per layer, or one per
neuron. Broken values (NaN, infinite, beyond 1e30) heal in the step that finds them: v' = v_reset,
w' = 0. Sums run from left to right; each product is rounded before it is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
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

NUMBERS = ("beta", "rho", "a", "b", "threshold", "v_reset", "gain")
RESETS = ("hard", "soft")
ORDERS = ("symplectic", "euler", "unreset")
RESET = {
    "hard": "r = Where (rested, v, v_reset)",
    "soft": """lowered = Sub (v, threshold)
    r = Where (rested, v, lowered)""",
}
BODY = """{rested}
    RESET
    faded = Mul (w, rho)
    coupled = Mul (DRIVER, a)
    driven = Add (faded, coupled)
    kick = Where (rested, zero, b)
    adapted = Add (driven, kick)
    adapted_size = Abs (adapted)
    adapted_sound = Less (adapted_size, upper)
    w_next = Where (adapted_sound, adapted, zero)
    drive = Sub (current, TAKEN)
    scaled = Mul (drive, gain)
    leaked = Mul (r, beta)
    {m} = Add (leaked, scaled)"""


def _name(fires: str, reset: str, order: str) -> str:
    """Name of the function of a form."""
    return "Adlif" + order.title() + reset.title() + fires.title()


def _form(fires: str, reset: str, order: str) -> Form:
    body = BODY.replace("RESET", RESET[reset])
    body = body.replace("DRIVER", "v" if order == "unreset" else "r")
    body = body.replace("TAKEN", "w" if order == "euler" else "w_next")
    return Form(_name(fires, reset, order), NUMBERS, "w", body, "threshold", fires)


FORMS = [_form(*choices) for choices in product(FIRES, RESETS, ORDERS)]
CHOICES = {
    _name(f, r, o): {"fires": f, "reset": r, "order": o}
    for f, r, o in product(FIRES, RESETS, ORDERS)
}
NODES: Nodes = {node: shapes for form in FORMS for node, shapes in form.nodes().items()}
ONNX = tuple(text for form in FORMS for text in form.texts())


class AdlifTile(AdaptiveTile):
    """A tile of `Adlif` neurons."""

    neuron: Adlif

    def membrane(self, current: Any, at: int, lanes: int) -> tuple[Any, Any]:
        """See `AdaptiveTile.membrane`."""
        e, zero, neuron = self.e, self.e.zero("float32", lanes), self.neuron
        beta, rho, a, b, threshold, v_reset, gain = (
            self.constant(name, at, lanes) for name in neuron.numbers
        )
        v, old = (e.load(self.state[name], at, lanes) for name in ("v", "w"))
        to = v_reset if neuron.reset == "hard" else v - threshold
        r = e.load(e.register(lanes, self.rested(v, threshold, v, to)), 0, lanes)
        order = neuron.order
        coupled = e.rounded((v if order == "unreset" else r) * a, lanes)
        driven = e.rounded(old * rho, lanes) + coupled
        adapted = e.register(lanes, driven + self.rested(v, threshold, zero, b))
        heal(e, adapted, lanes)
        w = e.load(adapted, 0, lanes)
        drive = current - (old if order == "euler" else w)
        m = e.rounded(r * beta, lanes) + e.rounded(drive * gain, lanes)
        m = e.load(e.register(lanes, m), 0, lanes)
        e.store(self.state["w"], at, lanes, w)
        return m, threshold


@dataclass(frozen=True, eq=False)
class Adlif(Adaptive):
    """beta: share of the membrane that is left after a step. rho: that of the adaptation current.

    a: its rise by the membrane, of any sign. b: its rise by a spike. threshold: above 0. v_reset:
    membrane after a hard reset, below the threshold. gain: factor of the currents, above 0 (published:
    1 - beta). refractory: steps. Raises NetworkError.
    """

    beta: Number
    rho: Number
    a: Number
    b: Number
    threshold: Number = 1.0
    v_reset: Number = 0.0
    gain: Number = 1.0
    refractory: Number = 0.0
    fires: str = "at"
    reset: str = "hard"
    order: str = "symplectic"
    kind: ClassVar[str] = "adlif"
    numbers: ClassVar[tuple[str, ...]] = NUMBERS
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "fires": FIRES,
        "reset": RESETS,
        "order": ORDERS,
    }
    adaptation: ClassVar[tuple[str, str]] = ("w", "adaptation current")
    tile_class: ClassVar[type[AdlifTile]] = AdlifTile
    onnx: ClassVar[tuple[str, ...]] = ONNX
    nodes: ClassVar[Nodes] = NODES

    def membrane(
        self, current: Any, v: Any, adapted: Any, c: Mapping[str, Any], where: Where
    ) -> tuple[Any, Any, Any]:
        """See `Adaptive.membrane`."""
        threshold, zero = c["threshold"], 0 * c["threshold"]
        rested = self.is_below(v, threshold)
        r = where(rested, v, c["v_reset"] if self.reset == "hard" else v - threshold)
        u = v if self.order == "unreset" else r
        w = c["rho"] * adapted + c["a"] * u + where(rested, zero, c["b"])
        w = where(abs(w) <= BROKEN, w, zero)
        drive = current - (adapted if self.order == "euler" else w)
        return c["beta"] * r + c["gain"] * drive, w, threshold

    @property
    def form(self) -> str:
        """See `Adaptive.form`."""
        own = _name(self.fires, self.reset, self.order)
        return own + (WAITS if self.is_refractory else "")

    @classmethod
    def of_form(cls, op: str) -> dict[str, str]:
        """See `Adaptive.of_form`."""
        return CHOICES[op.removesuffix(WAITS)]
