"""Dense recurrence with one axonal delay per sending neuron (DelRec).

    I[i](t) = sum_j weight[i, j] * S[j](t - 1 - delay[j])

Rows of the weight are receiving neurons, columns sending ones. N*N + N parameters.

Source: DelRec, arXiv 2509.24852, axonal delays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, delay_line

if TYPE_CHECKING:
    import torch

F32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DenseDelay:
    """weight: (N, N) [to, from]. delay: (N,) whole steps, arrival at t + 1 + delay."""

    weight: F32
    delay: NDArray[np.int32]
    kind: ClassVar[str] = "dense_delay"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("recurrent weight", self.weight))
        object.__setattr__(self, "delay", checks.delays(self.delay))
        n = len(self.delay)
        if self.weight.shape != (n, n):
            raise NetworkError(
                f"recurrent weight has shape {list(self.weight.shape)}; [{n}, {n}] is needed"
            )

    @property
    def size(self) -> int:
        return len(self.delay)

    @property
    def depth(self) -> int:
        return int(self.delay.max()) + 1

    @property
    def parameters(self) -> int:
        return self.weight.size + self.delay.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"weight": self.weight}

    def largest_current(self) -> float:
        return float(np.abs(self.weight.astype(np.float64)).sum(axis=1).max())

    def reference(self, hist: F32) -> F32:
        """hist: (batch, depth, N), newest first. Returns the current (batch, N)."""
        g = delay_line.reference(hist, self.delay)
        current = np.zeros((len(hist), self.size), np.float32)
        for j in np.flatnonzero(g.any(axis=0)):
            current = current + g[:, j, None] * self.weight[:, j]
        return current

    def torch_form(
        self, hist: torch.Tensor, weight: torch.Tensor, at: torch.Tensor
    ) -> torch.Tensor:
        """hist: (batch, depth, N). weight: (N, N). at: (N,) = delay * N + j, int64."""
        return delay_line.torch_form(hist, at) @ weight.T


# hist (batch, depth, N), weight (N, N), at (N,) = delay * N + j
ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18, "ai.delrec" : 1]>
DenseDelay (hist, weight, at) => (current)
{
    g = ai.delrec.DelayRead (hist, at)
    current = Gemm <transB = 1> (g, weight)
}
"""
