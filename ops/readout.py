"""Interface of a readout: how the outputs y are made from the spikes s of the last layer.

    y(t), state(t) = step(W s(t) + b, state(t - 1))

A kind is one file with a subclass of `Readout`, and one line in `ops.registry.READOUTS`.

A membrane that is broken heals at once: it becomes 0 where it is NaN, infinite or beyond 1e30 in size.

Classes come from y over time: `softmax_sum` (sum over the steps of the softmax, the authors' loss),
`mean`, `sum`, `last` or `max`; then argmax.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError
from delrec_compile.ops import checks, linear
from delrec_compile.ops.constants import wrong
from delrec_compile.ops.neuron import BROKEN

if TYPE_CHECKING:
    import torch

    from delrec_compile.compiler.tir.emitter import Emitter
    from delrec_compile.ops.nodes import Node, Nodes, NodeWriter

DECISIONS = ("softmax_sum", "mean", "sum", "last", "max")
MEMBRANE = {"v": "membrane of the readout"}


@dataclass(frozen=True)
class ReadoutTile:
    """A tile of outputs in compiled code: views of y, of the state, and of constants per output.

    leak: table of beta and of the worth of one unit of the sums; views has the shares of each output
    where they differ.
    """

    e: Emitter
    readout: Readout
    y: Any
    views: Mapping[str, Any]
    leak: Any

    def share(self, name: str, one: Any, at: int, lanes: int) -> Any:
        """A share of one block. one: that of all outputs, where they do not differ."""
        own = self.views.get(name)
        return self.e.splat(one, lanes) if own is None else self.e.load(own, at, lanes)

    def beta(self, at: int, lanes: int) -> Any:
        """Share of the membrane that is left after a step."""
        return self.share("beta", self.leak[0], at, lanes)

    @property
    def unit(self) -> Any:
        """Worth of one unit of the sums, where these are integers."""
        return self.leak[1]

    def update(self, current: Any, at: int, lanes: int) -> None:
        """One block, from its current; at: offset from the base of the tile."""
        self.readout.emit(self, current, at, lanes)


@dataclass(frozen=True, eq=False)
class Readout(ABC):
    """weight: (classes, N); (classes, 0) where projections of a graph make the current, see
    `in_graph`. bias: (classes,).

    beta: share of the membrane left after a step, one number or (classes,).

    decision: one of DECISIONS. Raises NetworkError.

    kind: name in files. fixed_beta: the one beta of the kind; None: any from 0 to 1. shares: fields that
    are a share of a state variable. each_leaks: whether outputs may have their own. states: meaning
    of each state variable (classes,), by name. bias_on_output: the bias is added to y at each step,
    not to the input of the state. onnx: text of its ONNX function, or of one for each of its
    forms. nodes: shapes of the function's outputs. has_integer_form: whether the integer rule of
    `IntegerReadout` is its own.
    """

    weight: F32
    bias: F32
    beta: Any
    decision: str = "softmax_sum"

    kind: ClassVar[str]
    fixed_beta: ClassVar[float | None] = None
    shares: ClassVar[tuple[str, ...]] = ("beta",)
    each_leaks: ClassVar[bool] = False
    states: ClassVar[Mapping[str, str]] = MEMBRANE
    bias_on_output: ClassVar[bool] = False
    onnx: ClassVar[str | tuple[str, ...]]
    nodes: ClassVar[Nodes]
    has_integer_form: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "bias", checks.vector("readout bias", self.bias))
        if np.shape(self.weight) != (len(self.bias), 0):
            object.__setattr__(self, "weight", checks.matrix("readout weight", self.weight))
        checks.same_rows(self.weight, self.bias, "readout ")
        for name in self.shares:
            object.__setattr__(self, name, self._checked(name))
        if self.decision not in DECISIONS:
            raise NetworkError(
                f"readout: unknown decision '{self.decision}'; allowed: {', '.join(DECISIONS)}"
            )
        if self.fixed_beta is not None and self.fixed_beta != self.beta:
            raise NetworkError(
                f"readout: beta is {self.beta}; a {self.kind} readout has {self.fixed_beta:g}"
            )

    def _checked(self, name: str) -> float | F32:
        """A share: one number if all outputs have the same. Raises NetworkError."""
        own = np.asarray(getattr(self, name), np.float32)
        if bad := wrong(own if own.ndim else float(own), ~((own >= 0) & (own <= 1)))[0]:
            raise NetworkError(f"readout: {name} is {bad}; allowed: 0 <= {name} <= 1")
        if not own.ndim or (own.size and (own == own.flat[0]).all()):
            return float(own.flat[0])
        if own.shape != self.bias.shape or not self.each_leaks:
            allowed = f"1 or {len(self.bias)}" if self.each_leaks else "1"
            raise NetworkError(f"readout: {own.size} values of {name}; {allowed} are required")
        return own

    @property
    def has_own(self) -> bool:
        """Whether a share differs from output to output."""
        return any(isinstance(getattr(self, name), np.ndarray) for name in self.shares)

    @classmethod
    def in_graph(cls, bias: F32, **fields: Any) -> Self:
        """A readout whose current projections make. fields: `beta` where the kind has none of its own,
        `decision`."""
        if cls.fixed_beta is not None:
            fields = {"beta": cls.fixed_beta, **fields}
        return cls(no_weight(len(bias)), bias, **fields)

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1])

    @property
    def has_membrane(self) -> bool:
        """Whether the readout has state."""
        return bool(self.states)

    @property
    def step_bias(self) -> F32:
        """Bias of the current of each step."""
        return np.zeros_like(self.bias) if self.bias_on_output else self.bias

    def attributes(self) -> dict[str, Any]:
        """The fields that are not arrays, as JSON holds them."""
        return {"beta": np.asarray(self.beta).tolist(), "decision": self.decision}

    def reference(self, spikes: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """spikes: (batch, N), each state variable: (batch, classes). Returns y and the new state."""
        return self.integrate(linear.reference(spikes, self.weight, self.step_bias), state)

    @abstractmethod
    def integrate(self, current: F32, state: Mapping[str, F32]) -> tuple[F32, dict[str, F32]]:
        """Same as `reference`, from the current (batch, classes) of weight and step bias."""

    def constants(self) -> dict[str, F32]:
        """Constants (classes,) of its ONNX node and of `torch_form`, by name; all its shares, where one
        differs from output to output."""
        names = self.shares if self.has_own else ()
        own = {name: np.full(self.size, getattr(self, name), np.float32) for name in names}
        return own | ({"offset": self.bias} if self.bias_on_output else {})

    @abstractmethod
    def torch_form(
        self, current: torch.Tensor, state: Mapping[str, torch.Tensor], *constants: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Same as `integrate`, in eager torch."""

    @abstractmethod
    def write_nodes(
        self, nodes: NodeWriter, current: str, past: Mapping[str, str]
    ) -> tuple[str, dict[str, str]]:
        """Adds its node. past: name of each state variable. Returns names: y, new state."""

    @classmethod
    @abstractmethod
    def from_node(cls, node: Node, weight: F32, bias: F32) -> Readout:
        """The readout that a node computes. bias: of the current."""

    def tables(self, unit: F32) -> dict[str, NDArray[Any]]:
        """Constants that `tile` reads. unit: worth of one unit of the sums; empty for float32."""
        one = np.float32(0 if self.has_own else self.beta)
        return {**self.constants(), "leak": np.append(np.zeros(1, np.float32) + one, unit)}

    def tile(
        self, e: Emitter, buffers: Callable[[str], Any], y: Any, row: Any, base: Any, size: int
    ) -> ReadoutTile:
        """Outputs `base` to `base + size` in TIR. y: all outputs, those of this step from `row` on."""
        outputs = e.view(y, row + base, size)
        names = (*self.states, *self.constants())
        views = {name: e.view(buffers(name), base, size) for name in names}
        return ReadoutTile(e, self, outputs, views, buffers("leak"))

    @abstractmethod
    def emit(self, tile: ReadoutTile, current: Any, at: int, lanes: int) -> None:
        """One block of outputs in TIR, from its current."""

    def classes(self, y: F32) -> NDArray[np.int64]:
        """y: (T, batch, classes). Returns (batch,)."""
        return decide(self.decision, y)


def no_weight(classes: int) -> F32:
    """The weight of a readout in a graph, whose projections make the current."""
    return np.zeros((classes, 0), np.float32)


def healed(m: F32) -> F32:
    """The membrane, 0 where it is broken."""
    return np.asarray(np.where(abs(m) <= BROKEN, m, np.float32(0)))


def healed_torch(m: torch.Tensor) -> torch.Tensor:
    """Same as `healed`."""
    return m.where(m.abs() <= BROKEN, m.new_zeros(()))


def emit_healed(e: Emitter, m: Any, lanes: int) -> Any:
    """Same as `healed`, of one block."""
    T = e.T
    low, high = (e.splat(T.float32(sign * BROKEN), lanes) for sign in (-1, 1))
    return T.Select(T.And(m >= low, m <= high), m, e.zero("float32", lanes))


# of the ONNX functions of readouts: m to v_next
HEALED = """size = Abs (m)
    broken = Constant <value_float: float = 1.0000001e30> ()
    sound = Less (size, broken)
    zero = Constant <value_float: float = 0.0> ()
    v_next = Where (sound, m, zero)"""


def pooled(classes: int, neurons: int) -> F32:
    """(classes, neurons): the mean over each class's own group of neurons, for a count readout."""
    if not 1 <= classes <= neurons:
        raise NetworkError(f"{neurons} neurons make no {classes} groups; each needs at least one")
    group = np.arange(neurons) * classes // neurons
    member = group == np.arange(classes)[:, None]
    return np.asarray(member / member.sum(axis=1, keepdims=True), np.float32)


def scores(decision: str, y: F32) -> NDArray[Any]:
    """Scores (batch, classes) from the outputs over time (T, batch, classes); the highest decides."""
    if decision == "softmax_sum":
        z = y.astype(np.float64)
        z = np.exp(z - z.max(axis=2, keepdims=True))
        return np.asarray((z / z.sum(axis=2, keepdims=True)).sum(axis=0))
    if decision in ("mean", "sum"):
        return np.asarray(y.astype(np.float64).sum(axis=0))
    return np.asarray(y[-1] if decision == "last" else y.max(axis=0))


def decide(decision: str, y: F32) -> NDArray[np.int64]:
    """Classes (batch,) from the outputs over time (T, batch, classes)."""
    return np.asarray(scores(decision, y).argmax(axis=1), dtype=np.int64)
