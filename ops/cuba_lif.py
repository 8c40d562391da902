"""LIF neuron with a synaptic current (current-based LIF, CUBA): two first-order filters in a row.

    i' = alpha * i + gain_i * I
    m  = beta * v + gain * i'      the new current enters; `i` in place of `i'` where the "old" one does
    s, v' from m as in `lif`, by fires and reset

alpha = exp(-dt / tau_syn), or 1 - dt / tau_syn by Euler's method; beta in the same way of tau_mem. The
reset acts on v alone. alpha, gain_i and the constants of `lif` are each one number per layer, or one
per neuron.

A broken current heals at once: i' = 0 where it is NaN, infinite or beyond 1e30 in size, before it
enters.

Each product is rounded, then the sum: alpha * i + gain_i * I, then beta * v + gain * i'.

Sources: NIR `CubaLIF` (Pedersen et al. 2024), lava `LIF` (u, v) and snnTorch `Synaptic`: the new
current; SpyTorch (Neftci, Mostafa, Zenke 2019): the old one. docs/models/cuba_lif.md has a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import cuba_lif_onnx, cuba_lif_tir
from delrec_compile.ops.checks import one_size
from delrec_compile.ops.constants import Number, as_tensor, number, wrong
from delrec_compile.ops.cuba_lif_onnx import ENTERS as ENTERS
from delrec_compile.ops.lif import NUMBERS, STATES, Lif
from delrec_compile.ops.neuron import BROKEN, Neuron
from delrec_compile.ops.threshold_onnx import threshold, under

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import torch
    from numpy.typing import NDArray

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

SYNAPTIC = ("alpha", "gain_i")
WORDS = ("fires", "reset")


@dataclass(frozen=True, eq=False)
class CubaLif(Neuron):
    """alpha: share of the synaptic current that is left after a step, 0 to 1.

    gain_i: factor of the current that comes in, above 0. enters: which synaptic current enters the
    membrane. The others: as in `Lif`, with gain the factor of the synaptic current. Raises NetworkError.
    """

    alpha: Number
    beta: Number
    threshold: Number = 1.0
    v_reset: Number = 0.0
    gain: Number = 1.0
    gain_i: Number = 1.0
    fires: str = "at"
    reset: str = "hard"
    enters: str = "new"
    kind: ClassVar[str] = "cuba_lif"
    states: ClassVar[Mapping[str, str]] = {"i": "synaptic current", **STATES}
    onnx: ClassVar[tuple[str, ...]] = cuba_lif_onnx.ONNX
    nodes: ClassVar[Nodes] = cuba_lif_onnx.NODES

    def __post_init__(self) -> None:
        for name in SYNAPTIC:
            object.__setattr__(self, name, number(self.kind, name, getattr(self, name)))
        for name in NUMBERS:
            object.__setattr__(self, name, getattr(self.membrane, name))
        if self.enters not in ENTERS:
            raise NetworkError(
                f"cuba_lif: unknown enters '{self.enters}'; allowed: {', '.join(ENTERS)}"
            )
        one_size(self.kind, self.arrays())
        alpha, _ = wrong(self.alpha, (self.alpha < 0) | (self.alpha > 1))
        if alpha:
            raise NetworkError(f"cuba_lif: alpha is {alpha}; allowed: 0 <= alpha <= 1")
        gain, _ = wrong(self.gain_i, self.gain_i <= 0)
        if gain:
            raise NetworkError(f"cuba_lif: gain_i is {gain}; a positive number is required")

    @cached_property
    def membrane(self) -> Lif:
        """The LIF neuron that takes the synaptic current."""
        try:
            return Lif(**{name: getattr(self, name) for name in (*NUMBERS, *WORDS)})
        except NetworkError as error:
            raise NetworkError(str(error).replace(Lif.kind, self.kind, 1)) from error

    @property
    def has_gain_i(self) -> bool:
        """Whether gain_i is other than 1."""
        return isinstance(self.gain_i, np.ndarray) or self.gain_i != 1.0

    def arrays(self) -> dict[str, F32]:
        """See `Neuron.arrays`."""
        own = {name: getattr(self, name) for name in SYNAPTIC}
        ours = {name: value for name, value in own.items() if isinstance(value, np.ndarray)}
        return ours | self.membrane.arrays()

    def attributes(self) -> dict[str, Any]:
        """See `Neuron.attributes`; gains, fires, reset and enters only where not the default."""
        own = {name: getattr(self, name) for name in (*SYNAPTIC, "enters")}
        default = {"gain_i": 1.0, "enters": "new"}
        return {
            name: value
            for name, value in own.items()
            if not isinstance(value, np.ndarray) and value != default.get(name)
        } | self.membrane.attributes()

    def summary(self) -> dict[str, Any]:
        """See `Neuron.summary`."""
        alpha = self.alpha.tolist() if isinstance(self.alpha, np.ndarray) else self.alpha
        return {"neuron": self.kind, "alpha": alpha, **self.membrane.summary()}

    @property
    def rheobase(self) -> float:
        """See `Neuron.rheobase`; the old current fires one step later."""
        size = np.abs(self.membrane.threshold) / self.membrane.gain / self.gain_i
        return float(np.min(size))

    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Neuron.reference`."""
        old = state["i"]
        i = np.float32(self.alpha) * old + np.float32(self.gain_i) * current
        i = np.where(np.abs(i) <= BROKEN, i, np.float32(0))
        spikes, after = self.membrane.reference(i if self.enters == "new" else old, state)
        return spikes, {"i": i, **after}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """See `Neuron.torch_form`."""
        old = state["i"]
        alpha, gain_i = (as_tensor(getattr(self, name), old) for name in SYNAPTIC)
        i = (old * alpha).add(current * gain_i if self.has_gain_i else current)
        i = i.where(i.abs() <= BROKEN, i.new_zeros(()))
        spikes, after, m = self.membrane.torch_form(i if self.enters == "new" else old, state)
        return spikes, {"i": i, **after}, m

    def constants(self) -> dict[str, NDArray[Any]]:
        """See `Neuron.constants`."""
        names = cuba_lif_onnx.constants(self.reset)
        values = vars(self) | {"under": under(self.threshold, self.fires)}
        return {name: np.asarray(values[name], np.float32) for name in names}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Neuron.write_nodes`."""
        constants = [nodes.constant(name) for name in cuba_lif_onnx.constants(self.reset)]
        outputs = [nodes.value(name) for name in ("spikes", "i_next", "v_next")]
        op = cuba_lif_onnx.node(self.enters, self.reset)
        nodes.call(
            op,
            [current, past["i"], past["v"], *constants],
            outputs,
            above=int(self.fires == "above"),
        )
        return outputs[0], {"i": outputs[1], "v": outputs[2]}

    @classmethod
    def from_node(cls, node: Node) -> tuple[CubaLif, Any]:
        """See `Neuron.from_node`."""
        enters, reset = cuba_lif_onnx.FORMS[node.op]
        fires = "above" if node.attributes["above"] else "at"
        names = cuba_lif_onnx.constants(reset)
        values: dict[str, Any] = {name: node.array(k) for k, name in enumerate(names, start=3)}
        values["threshold"] = threshold(values.pop("under"), fires)
        return cls(**values, fires=fires, reset=reset, enters=enters), node.inputs[0]

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """See `Neuron.tables`."""
        return cuba_lif_tir.tables(self, unit)

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int
    ) -> cuba_lif_tir.CubaLifTile:
        """See `Neuron.tile`."""
        return cuba_lif_tir.CubaLifTile.of(e, self, buffers, base, size)
