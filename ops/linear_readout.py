"""Linear readout: the current itself, without state.

y = W s + b
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from delrec_compile.aliases import F32
from delrec_compile.ops.readout import Readout, ReadoutTile

if TYPE_CHECKING:
    import torch

    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
LinearReadout (current) => (y)
{
    y = Identity (current)
}
"""


@dataclass(frozen=True, eq=False)
class LinearReadout(Readout):
    """See `Readout`; beta is 0."""

    beta: float = 0.0
    kind: ClassVar[str] = "linear"
    fixed_beta: ClassVar[float | None] = 0.0
    states: ClassVar[Mapping[str, str]] = {}
    onnx: ClassVar[str] = ONNX
    nodes: ClassVar[Nodes] = {"LinearReadout": (0,)}
    has_integer_form: ClassVar[bool] = True

    def integrate(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """See `Readout.integrate`."""
        return current, {}

    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor], *constants: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """See `Readout.torch_form`."""
        return current, {}

    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """See `Readout.write_nodes`."""
        y = nodes.value("y")
        nodes.call("LinearReadout", [current], [y])
        return y, {}

    @classmethod
    def from_node(cls, node: Node, weight: F32, bias: F32) -> LinearReadout:
        """See `Readout.from_node`."""
        return cls(weight, bias)

    def emit(self, tile: ReadoutTile, current: Any, at: int, lanes: int) -> None:
        """See `Readout.emit`."""
        tile.e.store(tile.y, at, lanes, current)
