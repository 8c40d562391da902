"""Neuron of Loihi: a LIF neuron with a synaptic current, both decayed as whole numbers.

    i' = wrapped(decayed(i, current_decay) + I)
    m  = clipped(decayed(v, voltage_decay) + i' + v_bias)
    s  = m > threshold
    v' = where(s, 0, m)

    decayed(x, d) = sign(x) * floor(u * (4096 - d) / 4096) / 64,     u = floor(64 * |x|)

i and v are multiples of 1/64, where I is: weights, threshold and v_bias count in units of 64, which the
chip shifts by 6 bits. All that is here is exact in float32: u = 4096 h + l is decayed in its two parts,
h * (4096 - d) + floor(l * (4096 - d) / 4096), each below 2^24. A current beyond 2^17 in size wraps
around by 2^18, a membrane is clipped at 2^17 - 1/64.

current_decay, voltage_decay (whole numbers from 0, no decay, to 4096), threshold and v_bias are each one
number per layer, or one per neuron.

A broken value heals at once: a state that is NaN or beyond 2^17 in size counts as 0, and so does a new
current.

Source: the fixed-point LIF of lava (`lava.proc.lif`, "bit-accurate with Loihi"), whose decay of the
current counts from 1: du = current_decay - 1. SLAYER's `cuba` neurons (lava-dl) compute the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import loihi_onnx, loihi_tir
from delrec_compile.ops.checks import one_size
from delrec_compile.ops.constants import Number, as_tensor, number, wrong
from delrec_compile.ops.loihi_onnx import ABOVE, ONE, TOP, UNIT, WRAP
from delrec_compile.ops.neuron import Neuron

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

DECAYS = ("current_decay", "voltage_decay")
NUMBERS = (*DECAYS, "threshold", "v_bias")
ZERO = np.float32(0)


@dataclass(frozen=True, eq=False)
class Loihi(Neuron):
    """current_decay, voltage_decay: whole numbers, 0 to 4096. threshold: above 0. v_bias: added to the
    membrane.

    Raises NetworkError.
    """

    current_decay: Number
    voltage_decay: Number
    threshold: Number = 1.0
    v_bias: Number = 0.0
    kind: ClassVar[str] = "loihi"
    states: ClassVar[Mapping[str, str]] = {"i": "synaptic current", "v": "membrane after reset"}
    onnx: ClassVar[tuple[str, ...]] = (loihi_onnx.ONNX,)
    nodes: ClassVar[Nodes] = loihi_onnx.NODES

    def __post_init__(self) -> None:
        for name in NUMBERS:
            object.__setattr__(self, name, number(self.kind, name, getattr(self, name)))
        one_size(self.kind, self.arrays())
        for name in DECAYS:
            value = np.asarray(getattr(self, name))
            text, _ = wrong(getattr(self, name), (value < 0) | (value > ONE) | (value % 1 != 0))
            if text:
                raise NetworkError(
                    f"loihi: {name} is {text}; a whole number from 0 to {ONE} is required"
                )
        text, _ = wrong(self.threshold, np.asarray(self.threshold) <= 0)
        if text:
            raise NetworkError(f"loihi: threshold is {text}; a positive number is required")

    @property
    def keeps(self) -> tuple[Number, Number]:
        """What is left of the current and of the membrane after a step, in 4096ths."""
        first, second = (np.float32(ONE) - np.float32(getattr(self, name)) for name in DECAYS)
        return number(self.kind, DECAYS[0], first), number(self.kind, DECAYS[1], second)

    def arrays(self) -> dict[str, F32]:
        """See `Neuron.arrays`."""
        own = {name: getattr(self, name) for name in NUMBERS}
        return {name: value for name, value in own.items() if isinstance(value, np.ndarray)}

    def attributes(self) -> dict[str, Any]:
        """See `Neuron.attributes`; the bias only where it is not 0."""
        own = {name: getattr(self, name) for name in NUMBERS}
        numbers = {k: value for k, value in own.items() if not isinstance(value, np.ndarray)}
        return {k: value for k, value in numbers.items() if k != "v_bias" or value}

    def summary(self) -> dict[str, Any]:
        """See `Neuron.summary`."""
        shown = {name: getattr(self, name) for name in NUMBERS[:3]}
        numbers = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in shown.items()}
        return {"neuron": self.kind, **numbers}

    @property
    def rheobase(self) -> float:
        """See `Neuron.rheobase`; without its bias, which may fire it alone."""
        return float(np.min(self.threshold))

    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Neuron.reference`."""
        keep_i, keep_v = (np.float32(keep) for keep in self.keeps)
        i = decayed(state["i"], keep_i) + current
        i = np.where(i > WRAP, i - 2 * WRAP, i)
        i = np.where(i > -WRAP, i, i + 2 * WRAP)
        i = np.where(np.abs(i) < ABOVE, i, ZERO)
        m = decayed(state["v"], keep_v) + i + np.float32(self.v_bias)
        m = np.minimum(np.maximum(m, -TOP), TOP)
        fires = m > np.float32(self.threshold)
        return fires.astype(np.float32), {"i": i, "v": np.where(fires, ZERO, m)}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """See `Neuron.torch_form`."""
        import torch

        old = state["i"]
        zero = old.new_zeros(())
        wrap, above, top = float(WRAP), float(ABOVE), float(TOP)

        def left(x: torch.Tensor, keep: Any) -> torch.Tensor:
            size = x.abs()
            units = size.where(size < above, zero).mul(UNIT).floor()
            high = units.div(ONE).floor()
            low = (units - high * ONE) * keep
            new = (high * keep + low.div(ONE).floor()).div(UNIT)
            return torch.where(x < 0, zero - new, new)

        keep_i, keep_v = (as_tensor(keep, old) for keep in self.keeps)
        i = left(old, keep_i).add(current)
        i = (i - 2 * wrap).where(i > wrap, i)
        i = i.where(i > -wrap, i + 2 * wrap)
        i = i.where(i.abs() < above, zero)
        m = left(state["v"], keep_v).add(i).add(as_tensor(self.v_bias, old)).clamp(-top, top)
        fires = m > as_tensor(self.threshold, old)
        return fires.to(m.dtype), {"i": i, "v": zero.where(fires, m)}, m

    def constants(self) -> dict[str, NDArray[Any]]:
        """See `Neuron.constants`."""
        values = (*self.keeps, self.threshold, self.v_bias)
        names = loihi_onnx.CONSTANTS
        return {n: np.asarray(v, np.float32) for n, v in zip(names, values, strict=True)}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Neuron.write_nodes`."""
        constants = [nodes.constant(name) for name in loihi_onnx.CONSTANTS]
        spikes, i, v = (nodes.value(name) for name in ("spikes", "i_next", "v_next"))
        nodes.call(loihi_onnx.NODE, [current, past["i"], past["v"], *constants], [spikes, i, v])
        return spikes, {"i": i, "v": v}

    @classmethod
    def from_node(cls, node: Node) -> tuple[Loihi, Any]:
        """See `Neuron.from_node`."""
        keep_i, keep_v, threshold, v_bias = (node.array(k) for k in range(3, 7))
        return cls(ONE - keep_i, ONE - keep_v, threshold, v_bias), node.inputs[0]

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Neuron.tables`."""
        return loihi_tir.tables(self, unit)

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int
    ) -> loihi_tir.LoihiTile:
        """See `Neuron.tile`."""
        return loihi_tir.LoihiTile.of(e, self, buffers, base, size)


def decayed(x: F32, keep: Any) -> F32:
    """What is left of a state after a step. keep: of 4096 parts."""
    size = np.abs(x)
    units = np.floor(np.where(size < ABOVE, size, ZERO) * np.float32(UNIT))
    high = np.floor(units / ONE)
    low = np.floor((units - high * ONE) * keep / ONE)
    new = (high * keep + low) / np.float32(UNIT)
    return np.asarray(np.where(x < 0, ZERO - new, new), np.float32)
