"""Dense recurrence with one axonal delay per sending neuron (DelRec).

    I[i](t) = sum_j weight[i, j] * S[j](t - 1 - delay[j])

Rows of the weight are receiving neurons, columns sending ones. N*N + N parameters; N*N without
delays.

Source: DelRec, arXiv 2509.24852, axonal delays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, delay_line
from delrec_compile.ops.arrivals import Arrivals, Axonal, GpuArrivals
from delrec_compile.ops.linear import Rows
from delrec_compile.ops.synapses import Arrays, Sums, Synapses, WeightFormat

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.compiler.tir.gpu import GpuEmitter


# hist (batch, depth, N), weight (N, N), at (N,) = delay * N + j
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
DenseDelay (hist, weight, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    current = Gemm <transB = 1> (g, weight)
}
"""


@dataclass(frozen=True, eq=False)
class DenseDelay(Synapses):
    """weight: (N, N) [to, from]. delay: (N,) whole steps, arrival at t + 1 + delay."""

    weight: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "dense_delay"
    node: ClassVar[str] = "DenseDelay"
    onnx: ClassVar[str] = ONNX

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("recurrent weight", self.weight))
        object.__setattr__(self, "delay", checks.vector_of_delays(self.delay))
        n = len(self.delay)
        if self.weight.shape != (n, n):
            raise NetworkError(
                f"recurrent weight has shape {list(self.weight.shape)}; [{n}, {n}] is required"
            )

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def line(self) -> Axonal:
        return Axonal(self.delay[None])

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    @property
    def name(self) -> str:
        return "dense_delay" if self.delay.any() else "dense"

    @property
    def parameters(self) -> int:
        return self.weight.size + (self.delay.size if self.delay.any() else 0)

    @property
    def weights(self) -> dict[str, F32]:
        return {"weight": self.weight}

    @property
    def rows(self) -> list[F32]:
        return [self.weight]

    def arrays(self) -> Arrays:
        return {"weight": self.weight, "delay": self.delay}

    def largest_current(self) -> float:
        return float(np.abs(self.weight.astype(np.float64)).sum(axis=1).max())

    def reference(self, hist: F32) -> F32:
        g = delay_line.reference(hist, self.delay)
        current = np.zeros((len(hist), self.size), np.float32)
        for j in np.flatnonzero(g.any(axis=0)):
            current = current + g[:, j, None] * self.weight[:, j]
        return current

    def constants(self) -> Arrays:
        return {"recurrent": self.weight, "at": delay_line.gather_index(self.delay)}

    @classmethod
    def from_node(
        cls, constants: Sequence[NDArray[Any]], attributes: dict[str, Any], size: int
    ) -> DenseDelay:
        weight, at = constants
        return cls(weight, at // size)

    def torch_form(self, hist: torch.Tensor, *constants: torch.Tensor) -> torch.Tensor:
        """constants: weight (N, N); at (N,) = delay * N + j, int64."""
        weight, at = constants
        return delay_line.torch_form(hist, at) @ weight.T

    def tables(self, weights: WeightFormat) -> Arrays:
        return {"recurrent": weights.as_rows(self.weight.T), **self.line.tables()}

    def emit(
        self, e: Emitter, arrivals: Arrivals, buffers: Callable[[str], Any], dtype: str
    ) -> Sums:
        return [Rows(arrivals.read(0), buffers("recurrent"))], None

    def emit_gpu(self, e: GpuEmitter, arrivals: GpuArrivals, buffers: Callable[[str], Any]) -> Sums:
        return [Rows(arrivals.heads[0], buffers("recurrent"))], None
