"""The frozen network as plain arrays, and what it computes step by step. No torch, TVM or files.

Spikes are 0/1, inputs are non-negative counts, arrays are batch-first and float32, time is a step
of `dt_ms`. Zero state is a fresh start.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32, Numeric
from delrec_compile.errors import NetworkError
from delrec_compile.ops import lif as lif_op
from delrec_compile.ops import linear
from delrec_compile.ops.checks import matrix, vector
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.recurrence import Recurrence
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.tap_conv_delay import TapConvDelay

RECURRENCES: dict[str, type[Recurrence]] = {
    r.kind: r for r in (ConvDelay, DenseDelay, TapConvDelay, Conv2dDelay, SynapticDelay)
}
State = dict[str, F32]
MAX_INPUT = 255  # the self-test of an artifact keeps its counts in bytes

__all__ = [
    "RECURRENCES",
    "Conv2dDelay",
    "ConvDelay",
    "DenseDelay",
    "Layer",
    "Lif",
    "Maps",
    "Network",
    "Readout",
    "Recurrence",
    "StateVar",
    "SynapticDelay",
    "TapConvDelay",
]


@dataclass(frozen=True)
class StateVar:
    """One array that a step reads and writes.

    name: `<layer>_<var>`, C-like. shape: without the batch axis.
    """

    name: str
    shape: tuple[int, ...]
    meaning: str


@dataclass(frozen=True, eq=False)
class Layer:
    """`I = weight @ x + bias (+ recurrence)`, then LIF.

    weight: (out, in). bias: (out,). recurrence: over this layer's own spikes, or None. maps: of a
    convolution in place of the product; then weight is its kernel, bias one value per channel.
    """

    weight: F32
    bias: F32
    lif: Lif
    recurrence: Recurrence | None = None
    maps: Maps | None = None

    def __post_init__(self) -> None:
        known = (
            matrix("weight", self.weight) if self.maps is None else self.maps.checked(self.weight)
        )
        object.__setattr__(self, "weight", known)
        object.__setattr__(self, "bias", vector("bias", self.bias, len(self.weight)))
        for name, own in self.lif.arrays().items():
            if len(own) != self.size:
                raise NetworkError(f"lif: {name} for {len(own)} neurons, the layer has {self.size}")
        if self.recurrence is not None and self.recurrence.size != self.size:
            raise NetworkError(
                f"the recurrence has {self.recurrence.size} delays, the layer {self.size} neurons; "
                "one delay per neuron is needed"
            )

    @property
    def size(self) -> int:
        return len(self.weight) if self.maps is None else self.maps.size

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1]) if self.maps is None else self.maps.inputs

    @property
    def biases(self) -> F32:
        """(size,): of each neuron."""
        return np.repeat(self.bias, self.size // len(self.bias))

    def feed(self, x: F32, start: F32 | None = None) -> F32:
        """The current (batch, size) of inputs (batch, in), upon `start`."""
        if self.maps is None:
            return linear.reference(x, self.weight, self.bias, start)
        current = self.maps.reference(x, self.weight) + self.biases
        return current if start is None else current + start


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order, ended by a readout.

    dt_ms: length of a step. max_input: largest input count for which sums are exact (see freeze),
    1 to MAX_INPUT.
    labels: class names, or empty. notes: free text facts (command, data hash, accuracy).
    """

    layers: tuple[Layer, ...]
    readout: Readout
    dt_ms: float = 10.0
    max_input: int = 31
    labels: tuple[str, ...] = ()
    name: str = "network"
    notes: Mapping[str, Any] = field(default_factory=dict)
    numeric: ClassVar[Numeric] = Numeric.FLOAT32

    def __post_init__(self) -> None:
        if not self.layers:
            raise NetworkError("the network has no layer; at least one is needed")
        sizes = [layer.size for layer in self.layers]
        wanted = [layer.inputs for layer in self.layers[1:]] + [self.readout.inputs]
        for i, (have, want) in enumerate(zip(sizes, wanted, strict=True)):
            if have != want:
                raise NetworkError(f"layer {i} sends {have} values, the next one takes {want}")
        if not (np.isfinite(self.dt_ms) and self.dt_ms > 0):
            raise NetworkError(f"dt_ms is {self.dt_ms}; a positive number is needed")
        if int(self.max_input) != self.max_input or not 1 <= self.max_input <= MAX_INPUT:
            raise NetworkError(f"max_input is {self.max_input}; allowed: 1 to {MAX_INPUT}")
        if self.labels and len(self.labels) != self.readout.size:
            raise NetworkError(f"{len(self.labels)} labels for {self.readout.size} classes")
        kept = {"dt_ms": self.dt_ms, "max_input": self.max_input, "notes": dict(self.notes)}
        try:  # files hold them as JSON, which has none of NumPy's numbers
            kept = json.loads(json.dumps(kept, default=_listed))
        except TypeError as error:
            raise NetworkError(f"notes: {error}") from error
        for name, value in kept.items():
            object.__setattr__(self, name, value)

    @property
    def inputs(self) -> int:
        return self.layers[0].inputs

    @property
    def outputs(self) -> int:
        return self.readout.size

    @property
    def max_delay(self) -> int:
        """Longest delay in steps; 0 without recurrence."""
        return max((r.depth - 1 for _, r in self.recurrences()), default=0)

    def recurrences(self) -> Iterator[tuple[int, Recurrence]]:
        for i, layer in enumerate(self.layers):
            if layer.recurrence is not None:
                yield i, layer.recurrence

    def recurrent_parameters(self) -> int:
        return sum(r.parameters for _, r in self.recurrences())

    def dense_recurrent_parameters(self) -> int:
        """What dense_delay recurrence of the same layers would hold: N*N + N each."""
        return sum(r.size * r.size + r.size for _, r in self.recurrences())

    def parameters(self) -> int:
        """All arrays; a constant that all neurons of a layer share counts nothing."""
        out = self.readout
        own = [array for layer in self.layers for array in layer.lif.arrays().values()]
        feed = [array for layer in self.layers for array in (layer.weight, layer.bias)]
        held = sum(array.size for array in (*feed, *own, out.weight, out.bias))
        return held + self.recurrent_parameters()

    def state(self) -> tuple[StateVar, ...]:
        """The state in its canonical order."""
        out: list[StateVar] = []
        for i, layer in enumerate(self.layers):
            out.append(StateVar(f"l{i}_v", (layer.size,), "membrane after reset"))
            if layer.recurrence is not None:
                shape = (layer.recurrence.depth, layer.size)
                out.append(StateVar(f"l{i}_hist", shape, "spikes, newest first"))
        if self.readout.has_membrane:
            out.append(StateVar("out_v", (self.outputs,), "membrane of the readout"))
        return tuple(out)

    def reset(self, batch: int = 1) -> State:
        return {s.name: np.zeros((batch, *s.shape), np.float32) for s in self.state()}

    def step(
        self, x: F32, state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """The plain reference. x: (batch, inputs). Returns y (batch, outputs) and the new state.

        spikes: one receiver per layer for its spikes (batch, N), to look inside.
        """
        new: State = {}
        for i, layer in enumerate(self.layers):
            arriving = None
            if layer.recurrence is not None:
                past = state[f"l{i}_hist"]
                arriving = layer.recurrence.reference(past)
            current = layer.feed(x, arriving)
            x, new[f"l{i}_v"] = lif_op.reference(layer.lif, current, state[f"l{i}_v"])
            if spikes:
                spikes[i](x)
            if layer.recurrence is not None:
                new[f"l{i}_hist"] = np.concatenate([x[:, None], past[:, :-1]], axis=1)
        y, kept = self.readout.reference(x, state.get("out_v"))
        return y, new if kept is None else {**new, "out_v": kept}


def _listed(value: Any) -> Any:
    """NumPy's values as Python's, paths as text."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}; allowed: text, numbers, lists, tables")
