"""Alpha neuron: its membrane is the difference of two traces of the current, so it rises late.

    e  = alpha * i_exc + I
    h  = beta * i_inh - I
    m  = gain * (e + h)
    s  = m >= threshold                              fires "at"; `>` where it fires "above"
    i_exc', i_inh', v' = e, h, m

In the step after a spike (v >= threshold) the reset "hard_later" sets all three to 0, and that step's
current is lost; "soft_later" takes the threshold off one trace and clears the other:

    i_exc', i_inh', m = e - threshold, 0, gain * (e + h) + i_inh

alpha > beta, so that the response to a positive current is positive. alpha, beta, gain and threshold are
each one number per layer, or one per neuron. `tau_alpha` is the gain of snnTorch.

A broken value heals at once: e, h and v' are 0 where NaN, infinite or beyond 1e30 in size. Each product
is rounded, then each sum from left to right.

Source: snnTorch `Alpha` with the reset "zero", or "subtract".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import alpha_onnx, alpha_tir
from delrec_compile.ops.alpha_onnx import RESETS as RESETS
from delrec_compile.ops.checks import one_size
from delrec_compile.ops.constants import Number, as_tensor, number, wrong
from delrec_compile.ops.lif import FIRES
from delrec_compile.ops.neuron import BROKEN, Neuron
from delrec_compile.ops.threshold_onnx import threshold, under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

NUMBERS = ("alpha", "beta", "gain", "threshold")


def tau_alpha(alpha: Number, beta: Number) -> F32:
    """snnTorch's gain, from the decays of the two traces; beta below 1."""
    with np.errstate(divide="ignore"):
        fall, rise = (np.log(np.asarray(x, np.float32)) for x in (alpha, beta))
    return np.asarray(fall / (rise - fall) + 1, np.float32)


@dataclass(frozen=True, eq=False)
class Alpha(Neuron):
    """alpha, beta: shares of the exciting and of the inhibiting trace that are left after a step.

    gain: factor of their sum, above 0. threshold: membrane that fires, above 0. Raises NetworkError.
    """

    alpha: Number
    beta: Number
    gain: Number = 1.0
    threshold: Number = 1.0
    fires: str = "above"
    reset: str = "hard_later"
    kind: ClassVar[str] = "alpha"
    states: ClassVar[Mapping[str, str]] = {
        "i_exc": "exciting trace of the current",
        "i_inh": "inhibiting trace of the current, negative",
        "v": "membrane",
    }
    onnx: ClassVar[tuple[str, ...]] = alpha_onnx.ONNX
    nodes: ClassVar[Nodes] = alpha_onnx.NODES

    def __post_init__(self) -> None:
        for name in NUMBERS:
            object.__setattr__(self, name, number(self.kind, name, getattr(self, name)))
        for name, allowed in (("fires", FIRES), ("reset", RESETS)):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"alpha: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        one_size(self.kind, self.arrays())
        for name in ("gain", "threshold"):
            value = getattr(self, name)
            text, _ = wrong(value, value <= 0)
            if text:
                raise NetworkError(f"alpha: {name} is {text}; a positive number is required")
        order = (self.alpha > self.beta) & (self.beta >= 0) & (self.alpha <= 1)
        if not np.all(order):
            raise NetworkError("alpha: 0 <= beta < alpha <= 1 is required of its two decays")

    def arrays(self) -> dict[str, F32]:
        """See `Neuron.arrays`."""
        own = {name: getattr(self, name) for name in NUMBERS}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def attributes(self) -> dict[str, Any]:
        """See `Neuron.attributes`."""
        own = {name: getattr(self, name) for name in (*NUMBERS, "fires", "reset")}
        return {name: value for name, value in own.items() if not isinstance(value, np.ndarray)}

    def summary(self) -> dict[str, Any]:
        """See `Neuron.summary`."""
        shown = {name: getattr(self, name) for name in ("alpha", "beta", "threshold")}
        numbers = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in shown.items()}
        return {"neuron": self.kind, **numbers}

    @property
    def rheobase(self) -> float:
        """See `Neuron.rheobase`: no smaller current fires it; the traces cancel in the first step."""
        return float(np.min(np.asarray(self.threshold) / self.gain))

    def _over(self, m: Any, threshold: Any) -> Any:
        return m >= threshold if self.fires == "at" else m > threshold

    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Neuron.reference`."""
        alpha, beta, gain, threshold = (np.float32(getattr(self, name)) for name in NUMBERS)
        zero: Any = np.float32(0)
        exciting = _healed(alpha * state["i_exc"] + current)
        inhibiting = _healed(beta * state["i_inh"] - current)
        m = gain * (exciting + inhibiting)
        fired = self._over(state["v"], threshold)
        if self.reset == "hard_later":
            late, late_m = zero, zero
        else:
            late, late_m = exciting - threshold, m + state["i_inh"]
        exciting = np.where(fired, late, exciting)
        inhibiting = np.where(fired, zero, inhibiting)
        m = np.where(fired, late_m, m)
        spikes = self._over(m, threshold).astype(np.float32)
        return spikes, {"i_exc": exciting, "i_inh": inhibiting, "v": _healed(m)}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """See `Neuron.torch_form`."""
        v = state["v"]
        alpha, beta, gain, threshold = (as_tensor(getattr(self, name), v) for name in NUMBERS)
        zero = v.new_zeros(())

        def healed(value: torch.Tensor) -> torch.Tensor:
            return value.where(value.abs() <= BROKEN, zero)

        exciting = healed((state["i_exc"] * alpha).add(current))
        inhibiting = healed((state["i_inh"] * beta).sub(current))
        m = exciting.add(inhibiting) * gain
        fired = self._over(v, threshold)
        if self.reset == "hard_later":
            late, late_m = zero, zero
        else:
            late, late_m = exciting - threshold, m + state["i_inh"]
        m = late_m.where(fired, m)
        after = {"i_exc": late.where(fired, exciting), "i_inh": zero.where(fired, inhibiting)}
        return self._over(m, threshold).to(m.dtype), {**after, "v": healed(m)}, m

    def constants(self) -> dict[str, NDArray[Any]]:
        """See `Neuron.constants`."""
        values = vars(self) | {"under": under(self.threshold, self.fires)}
        return {n: np.asarray(values[n], np.float32) for n in alpha_onnx.constants(self.reset)}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Neuron.write_nodes`."""
        constants = [nodes.constant(name) for name in alpha_onnx.constants(self.reset)]
        new = {name: nodes.value(f"{name}_next") for name in self.states}
        spikes = nodes.value("spikes")
        inputs = [current, *(past[name] for name in self.states), *constants]
        op, above = alpha_onnx.node(self.reset), int(self.fires == "above")
        nodes.call(op, inputs, [spikes, *new.values()], above=above)
        return spikes, new

    @classmethod
    def from_node(cls, node: Node) -> tuple[Alpha, Any]:
        """See `Neuron.from_node`."""
        reset = alpha_onnx.FORMS[node.op]
        fires = "above" if node.attributes["above"] else "at"
        names = alpha_onnx.constants(reset)
        values: dict[str, Any] = {name: node.array(k) for k, name in enumerate(names, start=4)}
        values["threshold"] = threshold(values.pop("under"), fires)
        return cls(**values, fires=fires, reset=reset), node.inputs[0]

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Neuron.tables`."""
        return alpha_tir.tables(self, unit)

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int
    ) -> alpha_tir.AlphaTile:
        """See `Neuron.tile`."""
        return alpha_tir.AlphaTile.of(e, self, buffers, base, size)


def _healed(value: F32) -> F32:
    return np.where(np.abs(value) <= BROKEN, value, np.float32(0))
