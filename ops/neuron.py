"""Interface of a neuron model, as every stage uses it.

    s(t), state(t) = step(I(t), state(t - 1))

A model is one file with a subclass of `Neuron`, and one line in `ops.registry.NEURONS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from numpy.typing import NDArray

from delrec_compile.aliases import F32

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.event_lists import Events
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

# a membrane beyond it in size is reset, and so is NaN; C text prints seven digits, no more
BROKEN = 1e30


class NeuronTile(Protocol):
    """A tile of neurons in compiled code: views of their constants and of their state."""

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums, where these are integers."""

    def update(self, current: Any, spikes: Events, at: int, lanes: int) -> None:
        """One block, from its current: updates its state, appends its spikes to the list.

        at: offset of the block from the base of the tile.
        """


@dataclass(frozen=True, eq=False)
class Neuron(ABC):
    """Constants of the neurons of a layer, as float32 values: one per layer, or (N,).

    kind: name in files. onnx: texts of its ONNX functions. nodes: those that make spikes and the next
    state, as `(current, past ..., constants ...) -> (spikes, present ...)`. helper_nodes: all others.
    """

    kind: ClassVar[str]
    onnx: ClassVar[tuple[str, ...]]
    nodes: ClassVar[Nodes]
    helper_nodes: ClassVar[Nodes] = {}

    @property
    @abstractmethod
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable (N,), by name; all begin at zero."""

    @abstractmethod
    def arrays(self) -> dict[str, F32]:
        """Constants that differ from neuron to neuron, (N,) each; files hold them as tensors."""

    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """All other constants, as JSON holds them."""

    def summary(self) -> dict[str, Any]:
        """Constants that a summary of the network shows."""
        return {}

    @property
    @abstractmethod
    def threshold(self) -> Any:
        """Membrane at which a neuron at rest fires: one number, or (N,)."""

    @property
    @abstractmethod
    def rheobase(self) -> float:
        """Smallest current that fires a neuron at rest in one step."""

    @abstractmethod
    def reference(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """current and each state variable: (batch, N). Returns spikes (0/1) and the new state."""

    @abstractmethod
    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
        """Same as `reference`, in eager torch; returns the membrane before the reset as well."""

    @abstractmethod
    def constants(self) -> dict[str, NDArray[Any]]:
        """Constants of its ONNX nodes, by name."""

    @abstractmethod
    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Adds its nodes. past: name of each state variable. Returns names: spikes, new state."""

    @classmethod
    @abstractmethod
    def from_node(cls, node: Node) -> tuple[Neuron, Any]:
        """The neuron that a node of `nodes` computes, and the value that is its current."""

    @abstractmethod
    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """Constants that `tile` reads. unit: worth of one unit of the sums; empty for float32."""

    @abstractmethod
    def tile(self, e: Emitter, buffers: Callable[[str], Any], base: Any, size: int) -> NeuronTile:
        """Neurons `base` to `base + size` in TIR. buffers: a table or state variable by name."""
