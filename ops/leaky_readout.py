"""Leaky readout: a LIF neuron without a threshold.

v' = healed(beta * v + (W s + b)),   y = v'

beta is one number, or one for each output.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops.readout import (
    HEALED,
    Readout,
    ReadoutTile,
    emit_healed,
    healed,
    healed_torch,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

ONNX = f"""
<domain: "ai.delrec", opset_import: ["" : 18]>
LeakyIntegrator <beta> (current, v) => (v_next)
{{
    beta_value = Constant <value_float: float = @beta> ()
    leaked = Mul (v, beta_value)
    m = Add (leaked, current)
    {HEALED}
}}
"""
EACH = f"""
<domain: "ai.delrec", opset_import: ["" : 18]>
LeakyIntegrators (current, v, beta) => (v_next)
{{
    leaked = Mul (v, beta)
    m = Add (leaked, current)
    {HEALED}
}}
"""


@dataclass(frozen=True, eq=False)
class LeakyReadout(Readout):
    """See `Readout`."""

    kind: ClassVar[str] = "leaky"
    each_leaks: ClassVar[bool] = True
    onnx: ClassVar[tuple[str, ...]] = (ONNX, EACH)
    nodes: ClassVar[Nodes] = {"LeakyIntegrator": (1,), "LeakyIntegrators": (1,)}
    has_integer_form: ClassVar[bool] = True

    def integrate(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Readout.integrate`."""
        v = healed(np.asarray(self.beta, np.float32) * state["v"] + current)
        return v, {"v": v}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor], *constants: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Readout.torch_form`; `mul` then `add`, so that no fused multiply-add is used."""
        beta = constants[0] if constants else self.beta
        v = healed_torch((state["v"] * beta).add(current))
        return v, {"v": v}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Readout.write_nodes`."""
        v = nodes.value("v_next")
        if self.has_own:
            nodes.call("LeakyIntegrators", [current, past["v"], nodes.constant("beta")], [v])
        else:
            nodes.call("LeakyIntegrator", [current, past["v"]], [v], beta=self.beta)
        return v, {"v": v}

    @classmethod
    def from_node(cls, node: Node, weight: F32, bias: F32) -> LeakyReadout:
        """See `Readout.from_node`."""
        one = node.attributes.get("beta")
        return cls(weight, bias, node.array(2) if one is None else one)

    def emit(self, tile: ReadoutTile, current: Any, at: int, lanes: int) -> None:
        """See `Readout.emit`."""
        e, v = tile.e, tile.views["v"]
        old = e.rounded(e.load(v, at, lanes) * tile.beta(at, lanes), lanes)
        m = e.register(lanes, old + current)
        e.store(m, 0, lanes, emit_healed(e, e.load(m, 0, lanes), lanes))
        new = e.load(m, 0, lanes)
        e.store(v, at, lanes, new)
        e.store(tile.y, at, lanes, new)
