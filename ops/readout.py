"""Readout: what the outputs y are made of, from the spikes s of the last layer.

    v' = beta * v + (W s + b),   y = v'        "leaky": a LIF neuron without a threshold
    y  = W s + b                               "linear": nothing is kept
    v' = v + W s,   y = v' + b                 "count": spikes counted over time, weighted or pooled

Classes come from y over time: `softmax_sum` (sum over the steps of the softmax, the authors' loss),
`mean`, `sum`, `last` or `max`; then argmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, linear

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter

DECISIONS = ("softmax_sum", "mean", "sum", "last", "max")
KINDS = {"leaky": None, "linear": 0.0, "count": 1.0}  # and the one beta of a kind


@dataclass(frozen=True, eq=False)
class Readout:
    """weight: (classes, N). bias: (classes,). beta: membrane kept per step; 0 if linear, 1 if count."""

    weight: F32
    bias: F32
    beta: float
    decision: str = "softmax_sum"
    kind: str = "leaky"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("readout weight", self.weight))
        object.__setattr__(self, "bias", checks.vector("readout bias", self.bias, self.size))
        object.__setattr__(self, "beta", float(np.float32(self.beta)))
        if not 0.0 <= self.beta <= 1.0:
            raise NetworkError(f"readout: beta is {self.beta}; allowed: 0 <= beta <= 1")
        for name, allowed in (("decision", DECISIONS), ("kind", tuple(KINDS))):
            if getattr(self, name) not in allowed:
                raise NetworkError(
                    f"readout: unknown {name} '{getattr(self, name)}'; allowed: {', '.join(allowed)}"
                )
        if KINDS[self.kind] not in (None, self.beta):
            raise NetworkError(
                f"readout: beta is {self.beta}; a {self.kind} readout has {KINDS[self.kind]:g}"
            )

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def has_membrane(self) -> bool:
        """Whether it has a membrane."""
        return self.kind != "linear"

    @property
    def step_bias(self) -> F32:
        """What is added at each step, before the membrane."""
        return np.zeros_like(self.bias) if self.kind == "count" else self.bias

    def reference(self, spikes: F32, v: F32 | None) -> tuple[F32, F32 | None]:
        """spikes: (batch, N), v: (batch, classes) where one is kept. Returns y and the new v."""
        current = linear.reference(spikes, self.weight, self.step_bias)
        if v is None:
            return current, None
        kept = np.float32(self.beta) * v + current
        return kept + self.bias if self.kind == "count" else kept, kept

    def classes(self, y: F32) -> NDArray[np.int64]:
        """y: (T, batch, classes). Returns (batch,)."""
        return decide(self.decision, y)


def pooled(classes: int, neurons: int) -> F32:
    """(classes, neurons): the mean over each class's own group of neurons, for a count readout."""
    if not 1 <= classes <= neurons:
        raise NetworkError(f"{neurons} neurons make no {classes} groups; each needs at least one")
    group = np.arange(neurons) * classes // neurons
    member = group == np.arange(classes)[:, None]
    return np.asarray(member / member.sum(axis=1, keepdims=True), np.float32)


def decide(decision: str, y: F32) -> NDArray[np.int64]:
    """Classes (batch,) from the outputs over time (T, batch, classes)."""
    if decision == "softmax_sum":
        z = y.astype(np.float64)
        z = np.exp(z - z.max(axis=2, keepdims=True))
        score = (z / z.sum(axis=2, keepdims=True)).sum(axis=0)
    elif decision in ("mean", "sum"):
        score = y.astype(np.float64).sum(axis=0)
    else:
        score = y[-1] if decision == "last" else y.max(axis=0)
    return np.asarray(score.argmax(axis=1), dtype=np.int64)


def torch_form(
    readout: Readout, current: torch.Tensor, v: torch.Tensor | None, bias: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """current: of the weight and the inner bias. Returns y and the new v."""
    if v is None:
        return current, None
    kept = (v * readout.beta).add(current)
    return kept.add(bias) if readout.kind == "count" else kept, kept


ONNX = (
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
LeakyIntegrator <beta> (current, v) => (v_next)
{
    beta_value = Constant <value_float: float = @beta> ()
    leaked = Mul (v, beta_value)
    v_next = Add (leaked, current)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
LinearReadout (current) => (y)
{
    y = Identity (current)
}
""",
    """
<domain: "ai.delrec", opset_import: ["" : 18]>
SpikeCount (current, v, bias) => (y, v_next)
{
    v_next = Add (v, current)
    y = Add (v_next, bias)
}
""",
)
NODES = {"LeakyIntegrator": "leaky", "LinearReadout": "linear", "SpikeCount": "count"}


def parts(
    e: Emitter, readout: Readout, at: dict[str, Any], y: Any, row: Any, base: Any, size: int
) -> dict[str, Any]:
    """Windows of a tile of outputs: `y`; `v` where one is kept; `offset`, the bias of a count.

    at: tables and state by name. y: all outputs, this step's from `row` on.
    """
    out = {"y": e.view(y, row + base, size)}
    if readout.has_membrane:
        out["v"] = e.view(at["out_v"], base, size)
    if readout.kind == "count":
        out["offset"] = e.view(at["out_offset"], base, size)
    return out


def emit(
    e: Emitter,
    readout: Readout,
    beta: Any,
    parts: dict[str, Any],
    value: Any,
    at: int,
    lanes: int,
) -> None:
    """One block of outputs, from its current."""
    if not readout.has_membrane:
        e.store(parts["y"], at, lanes, value)
        return
    old = e.load(parts["v"], at, lanes)
    if readout.kind == "leaky":
        old = e.rounded(old * e.splat(beta, lanes), lanes)
    m = e.register(lanes, old + value)
    new = e.load(m, 0, lanes)
    e.store(parts["v"], at, lanes, new)
    if readout.kind == "count":
        new = new + e.load(parts["offset"], at, lanes)
    e.store(parts["y"], at, lanes, new)
