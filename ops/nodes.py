"""Nodes of the semantic ONNX graph: how an op writes its own, and reads them back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

# function by name: for each of its outputs, the input whose shape it has
Nodes = dict[str, tuple[int, ...]]


class NodeWriter(Protocol):
    """Writes the nodes of one layer, or of the readout, at one time step."""

    def value(self, name: str) -> str:
        """Full name of a value of this step, such as `t0_l1_spikes`."""

    def constant(self, name: str) -> str:
        """Full name of a constant, such as `l1_beta`."""

    def call(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        """Adds a node that calls a function of domain `ai.delrec`."""


@dataclass(frozen=True)
class Node:
    """A call of an op's function, as lowering reads it.

    inputs: opaque values. constant: array of an input. source: node that makes an input.
    """

    op: str
    inputs: Sequence[Any]
    attributes: dict[str, Any]
    constant: Callable[[Any], NDArray[Any]]
    source: Callable[[Any], Node]

    def array(self, k: int) -> NDArray[Any]:
        """Constant value of input k."""
        return self.constant(self.inputs[k])

    def maker(self, k: int) -> Node:
        """Node that makes input k."""
        return self.source(self.inputs[k])
