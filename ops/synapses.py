"""Interface of a delayed recurrence, as every stage uses it.

    I(t) = F(S(t - 1), ..., S(t - depth))

A kind is one file with a subclass of `Synapses`, and one line in `ops.registry.SYNAPSES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from numpy.typing import NDArray

from delrec_compile.aliases import F32

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter
    from delrec_compile.ops.arrivals import Arrivals, GpuArrivals, Line
    from delrec_compile.ops.linear import Rows

Arrays = dict[str, NDArray[Any]]
# result of `emit`: weight rows to add, and a current to start from
Sums = tuple[list["Rows"], Any]


class WeightFormat(Protocol):
    """The format in which compiled code holds the constants of a layer: as float32, or as integers."""

    def as_rows(self, values: F32) -> NDArray[Any]:
        """Weight rows (in, out), in the order that vectors add them."""

    def as_accumulators(self, values: F32) -> NDArray[Any]:
        """Values that are added to sums, in the type of the sums."""

    def as_weights(self, values: F32) -> NDArray[Any]:
        """Weights in their smallest type."""


@dataclass(frozen=True, eq=False)
class Synapses(ABC):
    """The recurrent current of a layer of `size` neurons from its own last `depth` spikes.

    kind: name in files. node: name of its ONNX function. onnx: text of that function.
    """

    kind: ClassVar[str]
    node: ClassVar[str]
    onnx: ClassVar[str]

    @property
    @abstractmethod
    def size(self) -> int:
        """Neurons."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Steps of history that are read."""

    @property
    @abstractmethod
    def line(self) -> Line:
        """The delay line of compiled code."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of trained parameters."""

    @property
    @abstractmethod
    def weights(self) -> dict[str, F32]:
        """Arrays that freezing rounds to a grid, by field."""

    @property
    def rows(self) -> list[F32]:
        """Weights that are held as rows of integers, of 16 bits where they fit."""
        return []

    @property
    def name(self) -> str:
        """Name for people."""
        return self.kind

    @abstractmethod
    def arrays(self) -> Arrays:
        """Every array by field, as files hold them."""

    def attributes(self) -> dict[str, Any]:
        """The fields that are not arrays, as JSON holds them."""
        return {}

    @abstractmethod
    def largest_current(self) -> float:
        """Upper bound of every partial sum of |I|, if every neuron spikes."""

    @abstractmethod
    def reference(self, hist: F32) -> F32:
        """hist: (batch, depth, N), newest first. Returns the current (batch, N)."""

    @abstractmethod
    def constants(self) -> Arrays:
        """Inputs of its ONNX node and of `torch_form` after the history, in order."""

    def node_attributes(self) -> dict[str, Any]:
        """Attributes of its ONNX node."""
        return {}

    @classmethod
    @abstractmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> Synapses:
        """The way back from an ONNX node."""

    @abstractmethod
    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """Same as `reference`, in eager torch."""

    @abstractmethod
    def tables(self, weights: WeightFormat) -> Arrays:
        """The constants that `emit` reads."""

    def gpu_tables(self, weights: WeightFormat) -> Arrays:
        """The constants that `emit_gpu` reads."""
        return self.tables(weights)

    @abstractmethod
    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        """Emits the recurrent current. buffers: a table by its name. dtype: type of the sums."""

    @abstractmethod
    def emit_gpu(self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any]) -> Sums:
        """Same as `emit`, for a thread that owns its neurons."""
