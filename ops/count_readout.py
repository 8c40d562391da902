"""Counting readout: spikes summed over time, weighted or pooled; the bias is added to the output.

v' = healed(v + W s),   y = v' + b
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

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
SpikeCount (current, v, bias) => (y, v_next)
{{
    m = Add (v, current)
    {HEALED}
    y = Add (v_next, bias)
}}
"""


@dataclass(frozen=True, eq=False)
class CountReadout(Readout):
    """See `Readout`; beta is 1."""

    beta: float = 1.0
    kind: ClassVar[str] = "count"
    fixed_beta: ClassVar[float | None] = 1.0
    bias_on_output: ClassVar[bool] = True
    onnx: ClassVar[str] = ONNX
    nodes: ClassVar[Nodes] = {"SpikeCount": (1, 1)}
    has_integer_form: ClassVar[bool] = True

    def integrate(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Readout.integrate`."""
        v = healed(state["v"] + current)
        return v + self.bias, {"v": v}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor], *constants: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Readout.torch_form`. constants: offset (classes,)."""
        (offset,) = constants
        v = healed_torch(state["v"].add(current))
        return v.add(offset), {"v": v}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Readout.write_nodes`."""
        y, v = nodes.value("y"), nodes.value("v_next")
        nodes.call("SpikeCount", [current, past["v"], nodes.constant("offset")], [y, v])
        return y, {"v": v}

    @classmethod
    def from_node(cls, node: Node, weight: F32, bias: F32) -> CountReadout:
        """See `Readout.from_node`."""
        return cls(weight, node.array(2))

    def emit(self, tile: ReadoutTile, current: Any, at: int, lanes: int) -> None:
        """See `Readout.emit`."""
        e, v = tile.e, tile.views["v"]
        m = e.register(lanes, e.load(v, at, lanes) + current)
        e.store(m, 0, lanes, emit_healed(e, e.load(m, 0, lanes), lanes))
        new = e.load(m, 0, lanes)
        e.store(v, at, lanes, new)
        e.store(tile.y, at, lanes, new + e.load(tile.views["offset"], at, lanes))
