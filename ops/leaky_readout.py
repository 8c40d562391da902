"""Readout: a LIF neuron without a threshold, whose membrane over time is the output.

    v' = beta * v + (W s + b),   y = v'

Classes come from y over time: `softmax_sum` (sum over the steps of the softmax, the authors' loss),
`mean`, `last` or `max`; then argmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, linear

if TYPE_CHECKING:
    import torch

F32 = NDArray[np.float32]
DECISIONS = ("softmax_sum", "mean", "last", "max")


@dataclass(frozen=True, eq=False)
class Readout:
    """weight: (classes, N). bias: (classes,). beta: membrane kept per step."""

    weight: F32
    bias: F32
    beta: float
    decision: str = "softmax_sum"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("readout weight", self.weight))
        object.__setattr__(self, "bias", checks.vector("readout bias", self.bias, self.size))
        object.__setattr__(self, "beta", float(np.float32(self.beta)))
        if not 0.0 <= self.beta <= 1.0:
            raise NetworkError(f"readout: beta is {self.beta}; allowed: 0 <= beta <= 1")
        if self.decision not in DECISIONS:
            raise NetworkError(
                f"readout: unknown decision '{self.decision}'; allowed: {', '.join(DECISIONS)}"
            )

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    def reference(self, spikes: F32, v: F32) -> F32:
        """spikes: (batch, N), v: (batch, classes). Returns the new membrane."""
        return np.float32(self.beta) * v + linear.reference(spikes, self.weight, self.bias)

    def classes(self, y: F32) -> NDArray[np.int64]:
        """y: (T, batch, classes). Returns (batch,)."""
        return decide(self.decision, y)


def decide(decision: str, y: F32) -> NDArray[np.int64]:
    """Classes (batch,) from the outputs over time (T, batch, classes)."""
    if decision == "softmax_sum":
        z = y.astype(np.float64)
        z = np.exp(z - z.max(axis=2, keepdims=True))
        score = (z / z.sum(axis=2, keepdims=True)).sum(axis=0)
    elif decision == "mean":
        score = y.astype(np.float64).mean(axis=0)
    else:
        score = y[-1] if decision == "last" else y.max(axis=0)
    return np.asarray(score.argmax(axis=1), dtype=np.int64)


def torch_form(beta: float, current: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return (v * beta).add(current)


ONNX = """
<domain: "ai.delrec", opset_import: ["" : 18]>
LeakyIntegrator <beta> (current, v) => (v_next)
{
    beta_value = Constant <value_float: float = @beta> ()
    leaked = Mul (v, beta_value)
    v_next = Add (leaked, current)
}
"""
