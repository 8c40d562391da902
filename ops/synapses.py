"""Interface of the synapses of a projection: a linear map with its delays, as every stage uses it.

    I(t) = F(line),   line[l] = S(t - l) forwards,   line[l] = S(t - 1 - l) on a recurrent edge

S are the spikes of the neurons that send, or the inputs. Only who makes the line differs: a delay d
forwards arrives at t + d, on a recurrent edge at t + 1 + d. A kind is one file with a subclass of
`Synapses`, and one line in `ops.registry.SYNAPSES`.
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


def of_head(values: Callable[[Any, Any], Any] | None, head: Any) -> Callable[[Any], Any] | None:
    """Values of the events of one head, from those of all: see `Arrivals.count`. None: each is 1."""
    return None if values is None else lambda j: values(head, j)


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
    """The current of `size` neurons from the last `depth` steps of `sources` neurons.

    A line is (batch, depth, sources), newest first: spikes 0/1, or counts or real values of inputs.

    kind: name in files. node: name of its ONNX function. onnx: text of that function.
    """

    kind: ClassVar[str]
    node: ClassVar[str]
    onnx: ClassVar[str]

    @property
    @abstractmethod
    def size(self) -> int:
        """Neurons that receive."""

    @property
    def sources(self) -> int:
        """Neurons that send."""
        return self.size

    @property
    def depth(self) -> int:
        """Steps of the line that are read: the longest delay + 1."""
        return self.line.depth

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
    def largest_current(self, largest: float = 1.0) -> float:
        """Upper bound of every partial sum of |I|, if no value of the line exceeds `largest` in size."""

    @abstractmethod
    def reference(self, hist: F32) -> F32:
        """hist: a line (batch, depth, sources). Returns the current (batch, size)."""

    @abstractmethod
    def constants(self) -> Arrays:
        """Inputs of its ONNX node and of `torch_form` after the line, in order."""

    def node_attributes(self) -> dict[str, Any]:
        """Attributes of its ONNX node."""
        return {}

    @classmethod
    @abstractmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> Synapses:
        """The way back from an ONNX node. size: neurons that send."""

    @classmethod
    def outputs_of(
        cls, shapes: Sequence[Sequence[int]], attributes: dict[str, Any], sources: int
    ) -> int:
        """Neurons that receive, as an ONNX node tells it. shapes: of its constants."""
        return sources

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
        """Emits the current. buffers: a table by its name. dtype: type of the sums."""

    @abstractmethod
    def emit_gpu(
        self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        """Same as `emit`, for a thread that owns its neurons."""
