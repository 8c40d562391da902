"""LIF neuron: leak, add the current, fire, reset.

    m    = beta * v + gain * I
    s    = m >= threshold                            fires "at"; `>` where it fires "above"
    v'   = where(m < threshold, m, v_reset)          reset "hard"
    v'   = where(m < threshold, m, m - threshold)    reset "soft"

With the reset "soft_later" the threshold is taken off in the step after the spike, and not leaked:

    m    = beta * v + gain * I - where(v >= threshold, threshold, 0),   v' = m

beta, gain, threshold and v_reset are each one number per layer, or one per neuron. The hard reset is
written on `m < threshold`, not on `not s`: the same bits on clean data, and a NaN membrane resets
instead of staying dead for ever. With the soft resets a membrane that is NaN or above 1e30 goes to
v_reset.

The products are rounded before the sum on every target: a fused multiply-add would give other bits
than PyTorch.

Sources: DelRec (arXiv 2509.24852) and its SpikingJelly LIFNode (`decay_input=False`: gain 1, else
1/tau; hard or soft reset); snnTorch `Leaky` (fires above, subtracts: "soft_later" with its
`reset_delay`, "soft" without).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks

if TYPE_CHECKING:
    import torch

Number = float | F32  # one per layer, or (N,)
CONSTANTS = ("beta", "threshold", "v_reset")
NUMBERS = (*CONSTANTS, "gain")
FIRES = ("at", "above")
RESETS = ("hard", "soft", "soft_later")
BROKEN = 1e30  # seven digits: C text prints no more


@dataclass(frozen=True, eq=False)
class Lif:
    """Constants of a layer's neurons, held as float32 values.

    beta: membrane kept per step, 0 <= beta <= 1 (with tau: 1 - 1/tau). gain: of the current, above 0.
    threshold: a membrane at it, or above it only, fires. v_reset: membrane after a hard reset.
    """

    beta: Number
    threshold: Number = 1.0
    v_reset: Number = 0.0
    gain: Number = 1.0
    fires: str = "at"
    reset: str = "hard"

    def __post_init__(self) -> None:
        for name in NUMBERS:
            object.__setattr__(self, name, _number(name, getattr(self, name)))
        for name, allowed in (("fires", FIRES), ("reset", RESETS)):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"lif: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        sizes = {len(value) for value in self.arrays().values()}
        if len(sizes) > 1:
            raise NetworkError(f"lif: constants for {sorted(sizes)} neurons; one size is needed")
        beta, _ = _wrong(self.beta, (self.beta < 0) | (self.beta > 1))
        if beta:
            raise NetworkError(f"lif: beta is {beta}; allowed: 0 <= beta <= 1")
        gain, _ = _wrong(self.gain, self.gain <= 0)
        if gain:
            raise NetworkError(f"lif: gain is {gain}; a positive number is needed")
        reset, at = _wrong(self.v_reset, self.v_reset >= self.threshold)
        if reset:
            raise NetworkError(
                f"lif: v_reset {reset} is not below the threshold {_at(self.threshold, at)}; "
                "the neuron would fire at every step"
            )
        if self.reset != "hard" and np.any(np.asarray(self.threshold) <= 0):
            raise NetworkError(f"lif: the reset '{self.reset}' needs thresholds above 0")

    def arrays(self) -> dict[str, F32]:
        """The constants that each neuron has of its own."""
        own = {name: getattr(self, name) for name in NUMBERS}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def attributes(self) -> dict[str, Any]:
        """All else, as JSON holds it; words and a gain of 1 are left out where they are the usual."""
        own = {name: getattr(self, name) for name in (*NUMBERS, "fires", "reset")}
        usual = {"gain": 1.0, "fires": "at", "reset": "hard"}
        return {
            name: value
            for name, value in own.items()
            if not isinstance(value, np.ndarray) and value != usual.get(name)
        }

    @property
    def is_default(self) -> bool:
        """Whether it is one beta, threshold and v_reset, a hard reset and `>=`; whatever the gain."""
        own = (getattr(self, name) for name in CONSTANTS)
        whole = not any(isinstance(value, np.ndarray) for value in own)
        return whole and self.fires == "at" and self.reset == "hard"

    @property
    def has_gain(self) -> bool:
        """Whether a current is multiplied by its gain."""
        return isinstance(self.gain, np.ndarray) or self.gain != 1.0

    @property
    def level(self) -> Number:
        """`m >= level` is whether a neuron fires: above a number is at the next float32."""
        if self.fires == "at":
            return self.threshold
        above = np.nextafter(np.float32(self.threshold), np.float32(np.inf))
        return above if above.ndim else float(above)

    def is_at_threshold(self, m: Any, threshold: Any) -> Any:
        """Whether a membrane fires; of NumPy or torch."""
        return m >= threshold if self.fires == "at" else m > threshold

    def is_below(self, m: Any, threshold: Any) -> Any:
        """Whether a membrane is kept, which NaN is not; of NumPy or torch."""
        return m < threshold if self.fires == "at" else m <= threshold


def _number(name: str, value: Any) -> Number:
    with np.errstate(over="ignore"):
        array = np.asarray(value, np.float32)
    if array.ndim:
        return checks.vector(f"lif: {name}", array)
    if not np.isfinite(array):
        raise NetworkError(f"lif: {name} is {array}; a finite number is needed")
    return float(array)


def _wrong(value: Number, fault: Any) -> tuple[str, int]:
    """The first wrong one as text, or an empty text; and where it is."""
    fault = np.asarray(fault)
    if not fault.any():
        return "", 0
    at = int(np.flatnonzero(fault)[0])
    return str(_at(value, at)), at


def _at(value: Number, at: int) -> float:
    return float(value[at]) if isinstance(value, np.ndarray) else value


def reference(lif: Lif, current: F32, v: F32) -> tuple[F32, F32]:
    """current, v: (batch, N). Returns spikes (0/1) and the new membrane, both (batch, N)."""
    beta, threshold, v_reset, gain = (np.float32(getattr(lif, name)) for name in NUMBERS)
    m = beta * v + gain * current
    if lif.reset == "soft_later":
        m = np.where(lif.is_at_threshold(v, threshold), m - threshold, m)
        kept = np.where(m <= BROKEN, m, v_reset)
    else:
        after: Any = v_reset
        if lif.reset == "soft":
            after = np.where(m <= BROKEN, m - threshold, v_reset)
        kept = np.where(lif.is_below(m, threshold), m, after)
    return lif.is_at_threshold(m, threshold).astype(np.float32), kept.astype(np.float32)


def torch_form(lif: Lif, current: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same in eager torch: `mul` then `add`, so that no fused multiply-add is used.

    Returns spikes, the new membrane, and the membrane before the reset.
    """
    beta, threshold, v_reset, gain = (_tensor(getattr(lif, name), v) for name in NUMBERS)
    m = (v * beta).add(current * gain if lif.has_gain else current)
    if lif.reset == "soft_later":
        m = (m - threshold).where(lif.is_at_threshold(v, threshold), m)
        kept = m.where(m <= BROKEN, _full(v_reset, m))
    else:
        after = _full(v_reset, m)
        if lif.reset == "soft":
            after = (m - threshold).where(m <= BROKEN, after)
        kept = m.where(lif.is_below(m, threshold), after)
    return lif.is_at_threshold(m, threshold).to(m.dtype), kept, m


def _tensor(value: Number, like: torch.Tensor) -> Any:
    import torch

    return torch.from_numpy(value).to(like.dtype) if isinstance(value, np.ndarray) else value


def _full(value: Any, like: torch.Tensor) -> Any:
    return like.new_full((), value) if isinstance(value, float) else value


# attributes of the function: beta, threshold, v_reset
PLAIN = """
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
# beta, threshold, v_reset: () or (N,)
GENERAL = """
<domain: "ai.delrec", opset_import: ["" : 18]>
{name} (current, v, beta, threshold, v_reset) => (spikes, v_next)
{{
    leaked = Mul (v, beta)
    {sum} = Add (leaked, current)
    {body}
    fires = {fires} (m, threshold)
    spikes = Cast <to = 1> (fires)
}}
"""
BODIES = {
    "hard": """stays = {stays} (m, threshold)
    v_next = Where (stays, m, v_reset)""",
    "soft": """broken = Constant <value_float: float = 1e30> ()
    sound = LessOrEqual (m, broken)
    less = Sub (m, threshold)
    after = Where (sound, less, v_reset)
    stays = {stays} (m, threshold)
    v_next = Where (stays, m, after)""",
    "soft_later": """fired = {fires} (v, threshold)
    less = Sub (sum, threshold)
    m = Where (fired, less, sum)
    broken = Constant <value_float: float = 1e30> ()
    sound = LessOrEqual (m, broken)
    v_next = Where (sound, m, v_reset)""",
}
GAIN = """
<domain: "ai.delrec", opset_import: ["" : 18]>
Gain (current, gain) => (scaled)
{
    scaled = Mul (current, gain)
}
"""


def node(fires: str, reset: str) -> str:
    """The name of the function of a neuron that is not plain."""
    return "Lif" + f"{reset}_{fires}".title().replace("_", "")


def _general(fires: str, reset: str) -> str:
    words = {"at": ("GreaterOrEqual", "Less"), "above": ("Greater", "LessOrEqual")}
    names = dict(zip(("fires", "stays"), words[fires], strict=True))
    body = BODIES[reset].format(**names)
    total = "sum" if reset == "soft_later" else "m"
    return GENERAL.format(name=node(fires, reset), sum=total, body=body, fires=names["fires"])


NODES = {node(fires, reset): (fires, reset) for fires in FIRES for reset in RESETS}
ONNX = (PLAIN, GAIN, *(_general(*words) for words in NODES.values()))


def from_node(name: str, attributes: dict[str, Any], constants: list[Any], gain: Any) -> Lif:
    """The way back from an ONNX node. constants: beta, threshold, v_reset; gain: or None."""
    if name == "Lif":
        return Lif(**attributes, gain=1.0 if gain is None else gain)
    fires, reset = NODES[name]
    beta, threshold, v_reset = constants
    return Lif(beta, threshold, v_reset, 1.0 if gain is None else gain, fires, reset)
