"""The frozen network as arrays, and its step in NumPy. No torch, TVM or files.

Spikes are 0/1, inputs are non-negative counts, arrays are batch-first and float32, time is a step
of `dt_ms`. Zero state is a fresh start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from delrec_compile.aliases import F32, Numeric
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.network.base import (
    MAX_INPUT,
    BaseNetwork,
    State,
    own_state,
    prefixed,
    pushed,
)
from delrec_compile.network.state import HISTORY, READOUT, StateVar, layer_prefix
from delrec_compile.ops import checks, linear
from delrec_compile.ops.checks import matrix, vector
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.tap_conv_delay import TapConvDelay

__all__ = [
    "MAX_INPUT",
    "Conv2dDelay",
    "ConvDelay",
    "DenseDelay",
    "Layer",
    "Lif",
    "Maps",
    "Network",
    "Neuron",
    "Readout",
    "State",
    "StateVar",
    "Synapses",
    "SynapticDelay",
    "TapConvDelay",
]


@dataclass(frozen=True, eq=False)
class Layer:
    """`I = weight @ x + bias (+ recurrence)`, then the neuron model.

    weight: (out, in). bias: (out,). recurrence: over this layer's own spikes, or None. maps: shape of
    a convolution in place of the product, or None; weight is then its kernel, bias one value per
    channel. Raises NetworkError.
    """

    weight: F32
    bias: F32
    neuron: Neuron
    recurrence: Synapses | None = None
    maps: Maps | None = None

    def __post_init__(self) -> None:
        weight = (
            matrix("weight", self.weight) if self.maps is None else self.maps.checked(self.weight)
        )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", vector("bias", self.bias))
        checks.same_rows(weight, self.bias)
        for name, own in self.neuron.arrays().items():
            if len(own) != self.size:
                raise NetworkError(
                    f"{self.neuron.kind}: {name} for {len(own)} neurons, the layer has {self.size}"
                )
        if self.recurrence is not None and self.recurrence.size != self.size:
            raise NetworkError(
                f"the recurrence has {self.recurrence.size} delays, the layer {self.size} neurons; "
                "one delay per neuron is required"
            )

    @property
    def lif(self) -> Lif:
        """The neuron, for code that knows this model only. Raises UnsupportedError."""
        if not isinstance(self.neuron, Lif):
            raise UnsupportedError(
                f"the neuron model '{self.neuron.kind}' is not supported here; allowed: {Lif.kind}"
            )
        if self.neuron.is_refractory:
            raise UnsupportedError("a neuron with a refractory period is not supported here")
        return self.neuron

    @property
    def states(self) -> Mapping[str, str]:
        """Meaning of each state variable of the neurons, by name."""
        return self.neuron.states

    @property
    def size(self) -> int:
        return len(self.weight) if self.maps is None else self.maps.size

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[1]) if self.maps is None else self.maps.inputs

    @property
    def biases(self) -> F32:
        """Bias of each neuron, (size,)."""
        return np.repeat(self.bias, self.size // len(self.bias))

    def feed(self, x: F32, start: F32 | None = None) -> F32:
        """Current (batch, size) of inputs (batch, in), added to `start`."""
        if self.maps is None:
            return linear.reference(x, self.weight, self.bias, start)
        current = self.maps.reference(x, self.weight) + self.biases
        return current if start is None else current + start


@dataclass(frozen=True, eq=False)
class Network(BaseNetwork[Layer, Readout]):
    """The float32 form; max_input: largest input count for which sums are exact (see `grid`)."""

    numeric: ClassVar[Numeric] = Numeric.FLOAT32

    @property
    def max_delay(self) -> int:
        """Longest delay in steps; 0 without recurrence."""
        return max((r.depth - 1 for _, r in self.recurrences()), default=0)

    def recurrences(self) -> Iterator[tuple[int, Synapses]]:
        """Layer number and recurrence of each layer that has one."""
        for i, layer in enumerate(self.layers):
            if layer.recurrence is not None:
                yield i, layer.recurrence

    def recurrent_parameters(self) -> int:
        return sum(r.parameters for _, r in self.recurrences())

    def dense_recurrent_parameters(self) -> int:
        """Parameters of dense_delay recurrence over the same layers: N*N + N each."""
        return sum(r.size * r.size + r.size for _, r in self.recurrences())

    def parameters(self) -> int:
        """Elements of all arrays; a constant that all neurons of a layer share is not counted."""
        out = self.readout
        own = [array for layer in self.layers for array in layer.neuron.arrays().values()]
        feed = [array for layer in self.layers for array in (layer.weight, layer.bias)]
        total = sum(array.size for array in (*feed, *own, out.weight, out.bias))
        return total + self.recurrent_parameters()

    def step(
        self, x: F32, state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """See `BaseNetwork.step`: this is the plain reference."""
        new: State = {}
        for i, layer in enumerate(self.layers):
            prefix, arriving = layer_prefix(i), None
            history = state.get(prefix + HISTORY)
            if layer.recurrence is not None and history is not None:
                arriving = layer.recurrence.reference(history)
            current = layer.feed(x, arriving)
            x, after = layer.neuron.reference(current, own_state(prefix, layer.states, state))
            new |= prefixed(prefix, after)
            if spikes:
                spikes[i](x)
            if history is not None:
                new[prefix + HISTORY] = pushed(x, history)
        y, after = self.readout.reference(x, own_state(READOUT, self.readout.states, state))
        return y, new | prefixed(READOUT, after)
