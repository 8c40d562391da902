"""LIF neuron: leak, add the current, fire, reset.

    m    = beta * v + gain * I
    s    = m >= threshold                            fires "at"; `>` where it fires "above"
    v'   = where(m < threshold, m, v_reset)          reset "hard"
    v'   = where(m < threshold, m, m - threshold)    reset "soft"

With the reset "soft_later" the threshold is taken off in the step after the spike, and not leaked:

    m    = beta * v + gain * I - where(v >= threshold, threshold, 0),   v' = m

and with "hard_later" the step after the spike takes the place of leak and current, which are lost:

    m    = where(v >= threshold, v_reset, beta * v + gain * I),   v' = m

beta, gain, threshold and v_reset are each one number per layer, or one per neuron. With the reset
"hard" a neuron may have a refractory period: `ops.refractory`.

A membrane that is broken heals at once: v' = v_reset where m is NaN, infinite or beyond 1e30 in size.
So `v'` is written on `m < threshold`, not on `not s`, which NaN would satisfy for ever.

The products are rounded before the sum on every target: a fused multiply-add would give other bits
than PyTorch.

Sources: DelRec (arXiv 2509.24852) and its SpikingJelly LIFNode (`decay_input=False`: gain 1, else
1/tau; hard or soft reset); snnTorch `Leaky` (fires above, subtracts: "soft_later" with its
`reset_delay`, "soft" without; "hard_later" is `RLeaky` and `Lapicque` with the reset "zero").
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import lif_onnx, lif_tir, refractory
from delrec_compile.ops.checks import one_size
from delrec_compile.ops.constants import Number, as_tensor, number, value_at, wrong
from delrec_compile.ops.lif_onnx import ALL_RESETS as ALL_RESETS
from delrec_compile.ops.lif_onnx import RESETS as RESETS
from delrec_compile.ops.neuron import BROKEN, Neuron
from delrec_compile.ops.refractory import REFRACTORY, WAITS
from delrec_compile.ops.threshold_onnx import FIRES as FIRES
from delrec_compile.ops.threshold_onnx import under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

CONSTANTS = ("beta", "threshold", "v_reset")
NUMBERS = (*CONSTANTS, "gain")
STATES = {"v": "membrane after reset"}


@dataclass(frozen=True, eq=False)
class Lif(Neuron):
    """beta: share of the membrane that is left after a step, 0 to 1 (with tau: 1 - 1/tau).

    threshold: membrane that fires, at it or only above it. v_reset: membrane after a hard reset.
    gain: factor of the current, above 0. refractory: steps. Raises NetworkError.
    """

    beta: Number
    threshold: Number = 1.0
    v_reset: Number = 0.0
    gain: Number = 1.0
    fires: str = "at"
    reset: str = "hard"
    refractory: Number = 0.0
    kind: ClassVar[str] = "lif"
    onnx: ClassVar[tuple[str, ...]] = lif_onnx.ONNX
    nodes: ClassVar[Nodes] = lif_onnx.NODES
    helper_nodes: ClassVar[Nodes] = lif_onnx.HELPER_NODES

    def __post_init__(self) -> None:
        for name in (*NUMBERS, REFRACTORY):
            object.__setattr__(self, name, number(self.kind, name, getattr(self, name)))
        for name, allowed in (("fires", FIRES), ("reset", ALL_RESETS)):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"lif: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        one_size(self.kind, self.arrays())
        beta, _ = wrong(self.beta, (self.beta < 0) | (self.beta > 1))
        if beta:
            raise NetworkError(f"lif: beta is {beta}; allowed: 0 <= beta <= 1")
        gain, _ = wrong(self.gain, self.gain <= 0)
        if gain:
            raise NetworkError(f"lif: gain is {gain}; a positive number is required")
        reset, at = wrong(self.v_reset, self.v_reset >= self.threshold)
        if reset:
            raise NetworkError(
                f"lif: v_reset {reset} is not below the threshold {value_at(self.threshold, at)}; "
                "the neuron would fire at every step"
            )
        if self.reset.startswith("soft") and np.any(np.asarray(self.threshold) <= 0):
            raise NetworkError(f"lif: the reset '{self.reset}' needs thresholds above 0")
        steps, _ = wrong(self.refractory, ~np.asarray(refractory.is_period(self.refractory)))
        if steps:
            raise NetworkError(f"lif: refractory is {steps}; {refractory.ALLOWED} is required")
        if self.is_refractory and self.reset != "hard":
            raise NetworkError(
                f"lif: a refractory period with the reset '{self.reset}'; 'hard' is required"
            )

    @cached_property
    def is_refractory(self) -> bool:
        """Whether any neuron has a refractory period."""
        return bool(np.any(np.asarray(self.refractory) > 0))

    @property
    def states(self) -> Mapping[str, str]:
        """See `Neuron.states`."""
        return STATES | ({REFRACTORY: refractory.MEANING} if self.is_refractory else {})

    def arrays(self) -> dict[str, F32]:
        """See `Neuron.arrays`."""
        own = {name: getattr(self, name) for name in (*NUMBERS, REFRACTORY)}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def attributes(self) -> dict[str, Any]:
        """See `Neuron.attributes`; gain and what follows only where they differ from the default."""
        own = {name: getattr(self, name) for name in (*NUMBERS, "fires", "reset", REFRACTORY)}
        default = {"gain": 1.0, "fires": "at", "reset": "hard", REFRACTORY: 0.0}
        return {
            name: value
            for name, value in own.items()
            if not isinstance(value, np.ndarray) and value != default.get(name)
        }

    @property
    def is_default(self) -> bool:
        """Whether neurons have one beta, threshold and v_reset, a hard reset and `>=`; with any gain."""
        own = (getattr(self, name) for name in CONSTANTS)
        shared = not any(isinstance(value, np.ndarray) for value in own)
        # engines that take subnormal numbers for 0 cannot tell a smaller one from the number below it
        large = bool(np.all(np.abs(self.threshold) > np.finfo(np.float32).tiny))
        return (
            shared
            and large
            and self.fires == "at"
            and self.reset == "hard"
            and not self.is_refractory
        )

    @property
    def has_gain(self) -> bool:
        """Whether the gain is other than 1."""
        return isinstance(self.gain, np.ndarray) or self.gain != 1.0

    @property
    def level(self) -> Number:
        """Membrane from which on a neuron fires: `above` x is from the next float32 on."""
        if self.fires == "at":
            return self.threshold
        above = np.nextafter(np.float32(self.threshold), np.float32(np.inf))
        return above if above.ndim else float(above)

    def is_at_threshold(self, m: Any, threshold: Any) -> Any:
        """Whether a membrane fires, in NumPy or torch."""
        return m >= threshold if self.fires == "at" else m > threshold

    def is_below(self, m: Any, threshold: Any) -> Any:
        """Whether a membrane does not fire, in NumPy or torch; False for NaN."""
        return m < threshold if self.fires == "at" else m <= threshold

    def after(self, m: Any, threshold: Any, v_reset: Any, where: Callable[..., Any]) -> Any:
        """The membrane after the reset, in NumPy or torch. where: as `numpy.where`."""
        if self.reset == "hard":
            return where(self.is_below(m, threshold) & (m >= -BROKEN), m, v_reset)
        new = m
        if self.reset == "soft":
            new = where(self.is_below(m, threshold), m, m - threshold)
        return where(abs(m) <= BROKEN, new, v_reset)

    def summary(self) -> dict[str, Any]:
        """See `Neuron.summary`."""
        shown = {"beta": self.beta, "threshold": self.threshold}
        shown |= {REFRACTORY: self.refractory} if self.is_refractory else {}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in shown.items()}

    @property
    def rheobase(self) -> float:
        """See `Neuron.rheobase`."""
        return float(np.min(np.abs(self.threshold) / self.gain))

    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Neuron.reference`."""
        v = state["v"]
        beta, threshold, v_reset, gain = (np.float32(getattr(self, name)) for name in NUMBERS)
        m = beta * v + gain * current
        if self.reset == "soft_later":
            m = np.where(self.is_at_threshold(v, threshold), m - threshold, m)
        elif self.reset == "hard_later":
            m = np.where(self.is_at_threshold(v, threshold), v_reset, m)
        if self.is_refractory:
            left, steps = state[REFRACTORY], np.float32(self.refractory)
            m = np.where(refractory.is_busy(left, steps), v_reset, m)
        new = {"v": self.after(m, threshold, v_reset, np.where)}
        fires = self.is_at_threshold(m, threshold)
        if self.is_refractory:
            new[REFRACTORY] = refractory.count(left, steps, fires, np.where)
        return fires.astype(np.float32), {k: x.astype(np.float32) for k, x in new.items()}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """See `Neuron.torch_form`; `mul` then `add`, so that no fused multiply-add is used."""
        v = state["v"]
        beta, threshold, v_reset, gain = (as_tensor(getattr(self, name), v) for name in NUMBERS)
        m = (v * beta).add(current * gain if self.has_gain else current)
        if self.reset == "soft_later":
            m = (m - threshold).where(self.is_at_threshold(v, threshold), m)
        elif self.reset == "hard_later":
            m = _full(v_reset, m).where(self.is_at_threshold(v, threshold), m)
        if self.is_refractory:
            left, steps = state[REFRACTORY], _full(as_tensor(self.refractory, v), v)
            m = _full(v_reset, m).where(refractory.is_busy(left, steps), m)
        new = {"v": self.after(m, threshold, _full(v_reset, m), _where)}
        fires = self.is_at_threshold(m, threshold)
        if self.is_refractory:
            new[REFRACTORY] = refractory.count(left, steps, fires, _where)
        return fires.to(m.dtype), new, m

    def constants(self) -> dict[str, NDArray[Any]]:
        """See `Neuron.constants`."""
        names = () if self.is_default else CONSTANTS
        out = {name: np.asarray(getattr(self, name), np.float32) for name in names}
        if self.is_refractory:
            out[REFRACTORY] = np.asarray(self.refractory, np.float32)
        return out | ({"gain": np.asarray(self.gain, np.float32)} if self.has_gain else {})

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Neuron.write_nodes`."""
        if self.has_gain:
            scaled = nodes.value("scaled")
            nodes.call("Gain", [current, nodes.constant("gain")], [scaled])
            current = scaled
        inputs = [current, *past.values()]
        outputs = [nodes.value(name) for name in ("spikes", *(f"{name}_next" for name in past))]
        if self.is_refractory:
            inputs += [nodes.constant(name) for name in (*CONSTANTS, REFRACTORY)]
            nodes.call(lif_onnx.node(self.fires, self.reset) + WAITS, inputs, outputs)
        elif self.is_default:
            attributes = {name: getattr(self, name) for name in CONSTANTS}
            attributes["under"] = float(under(self.threshold, self.fires))
            nodes.call(lif_onnx.DEFAULT, inputs, outputs, **attributes)
        else:
            inputs += [nodes.constant(name) for name in CONSTANTS]
            nodes.call(lif_onnx.node(self.fires, self.reset), inputs, outputs)
        return outputs[0], dict(zip(past, outputs[1:], strict=True))

    @classmethod
    def from_node(cls, node: Node) -> tuple[Lif, Any]:
        """See `Neuron.from_node`."""
        current, scaling = node.inputs[0], node.maker(0)
        gain: Any = 1.0
        if scaling.op in lif_onnx.HELPER_NODES:
            current, gain = scaling.inputs[0], scaling.array(1)
        if node.op == lif_onnx.DEFAULT:
            attributes = {name: node.attributes[name] for name in CONSTANTS}
            return cls(**attributes, gain=gain), current
        first = 3 if node.op.endswith(WAITS) else 2
        beta, threshold, v_reset = (node.array(k) for k in range(first, first + 3))
        steps: Any = node.array(6) if node.op.endswith(WAITS) else 0.0
        fires, reset = lif_onnx.FORMS[node.op.removesuffix(WAITS)]
        return cls(beta, threshold, v_reset, gain, fires, reset, steps), current

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Neuron.tables`."""
        return lif_tir.tables(self, unit)

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int
    ) -> lif_tir.LifTile:
        """See `Neuron.tile`."""
        return lif_tir.LifTile.of(e, self, buffers, base, size)


def _where(condition: Any, yes: torch.Tensor, no: torch.Tensor) -> torch.Tensor:
    return yes.where(condition, no)


def _full(value: Any, like: torch.Tensor) -> Any:
    return like.new_full((), value) if isinstance(value, float) else value
