"""The frozen network as arrays, and its step in NumPy. No torch, TVM or files.

Spikes are 0/1, inputs are non-negative counts, or real values, which are rounded once; arrays are
batch-first and float32, time is a step of `dt_ms`. Zero state is a fresh start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32, Numeric
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.network.base import (
    MAX_INPUT,
    BaseNetwork,
    State,
    own_state,
    prefixed,
)
from delrec_compile.network.population import (
    INPUT,
    Population,
    Projection,
    checked_order,
    max_pool,
)
from delrec_compile.network.state import READOUT, StateVar, layer_prefix
from delrec_compile.ops import checks, linear
from delrec_compile.ops.checks import matrix, vector
from delrec_compile.ops.conv2d_delay import Conv2dDelay
from delrec_compile.ops.conv_delay import ConvDelay
from delrec_compile.ops.count_readout import CountReadout
from delrec_compile.ops.dense_delay import DenseDelay
from delrec_compile.ops.feed import Convolution, Dense, Feed
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.lif import Lif
from delrec_compile.ops.linear_readout import LinearReadout
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.neuron import Neuron
from delrec_compile.ops.readout import Readout
from delrec_compile.ops.synapses import Synapses
from delrec_compile.ops.synaptic_delay import SynapticDelay
from delrec_compile.ops.synaptic_readout import SynapticReadout
from delrec_compile.ops.tap_conv_delay import TapConvDelay
from delrec_compile.ops.window import Window

__all__ = [
    "INPUT",
    "MAX_INPUT",
    "Conv2dDelay",
    "ConvDelay",
    "Convolution",
    "CountReadout",
    "Dense",
    "DenseDelay",
    "Feed",
    "Layer",
    "LeakyReadout",
    "Lif",
    "LinearReadout",
    "Maps",
    "Network",
    "Neuron",
    "Population",
    "Projection",
    "Readout",
    "State",
    "StateVar",
    "Synapses",
    "SynapticDelay",
    "SynapticReadout",
    "TapConvDelay",
    "Window",
    "max_pool",
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
        r = self.recurrence
        if r is not None and r.size != self.size:
            weights = "kernel" if hasattr(r, "kernel") else "weight"
            raise NetworkError(
                f"the recurrence's {weights} and delay are for {r.size} neurons, the layer has "
                f"{self.size}; one size is required"
            )
        if r is not None and r.sources != self.size:
            raise NetworkError(
                f"the recurrence takes {r.sources} values, the layer has {self.size} neurons"
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
    def map(self) -> Feed:
        """What comes in, without the bias."""
        return Dense(self.weight) if self.maps is None else Convolution(self.weight, self.maps)

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


class _NoLayers(tuple[Layer, ...]):
    """The layers of a graph, which is no chain: whoever asks for them refuses the network."""

    def _refuse(self, *_: Any) -> Any:
        raise UnsupportedError(
            "this takes a chain of layers; the network is a graph of populations and projections"
        )

    __iter__ = __getitem__ = __len__ = __bool__ = __reversed__ = __add__ = _refuse


NO_LAYERS = _NoLayers()


@dataclass(frozen=True, eq=False)
class Network(BaseNetwork[Layer, Readout]):
    """The float32 form; max_input: largest input count for which sums are exact (see `grid`).

    A chain has `layers` and a readout with a weight. A graph has `graph`, populations in their order,
    readouts among them: see `Network.of`. `populations` are those of either.
    """

    graph: tuple[Population, ...] = ()
    numeric: ClassVar[Numeric] = Numeric.FLOAT32

    @classmethod
    def of(cls, populations: Sequence[Population], **options: Any) -> Network:
        """A graph. options: `dt_ms`, `max_input`, `input_bits`, `labels`, `name`, `notes`.

        The outputs are those of the readouts, one after another; the class comes from the first one.
        Raises NetworkError.
        """
        ordered = checked_order(populations)
        readout = next(p.readout for p in ordered if not p.fires)
        return cls(NO_LAYERS, readout, graph=ordered, **options)

    def _check_parts(self) -> None:
        if not self.graph:
            self._check_chain()
            return
        if not any(p.source == INPUT for _, p in self.projections()):
            raise NetworkError("the network takes no input; a projection from 'x' is required")
        sizes = {p.synapses.sources for _, p in self.projections() if p.source == INPUT}
        if len(sizes) > 1:
            raise NetworkError(
                f"projections from the input take {sorted(sizes)} values; one size is required"
            )
        names = [s.name for s in self.state()]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise NetworkError(f"two state variables are called '{twice[0]}'; rename a population")

    def _check_chain(self) -> None:
        if not self.layers:
            raise NetworkError("the network has no layer; at least one is required")
        sizes = [layer.size for layer in self.layers]
        expected = [layer.inputs for layer in self.layers[1:]] + [self.readout.inputs]
        for i, (size, inputs) in enumerate(zip(sizes, expected, strict=True)):
            if size != inputs:
                raise NetworkError(f"layer {i} sends {size} values, the next one takes {inputs}")

    @cached_property
    def populations(self) -> tuple[Population, ...]:
        """All populations in their order, readouts among them; those of a chain are l0, l1, .., out."""
        if self.graph:
            return self.graph
        out, source = [], INPUT
        for i, layer in enumerate(self.layers):
            name = layer_prefix(i)[:-1]
            projections = [Projection(source, layer.map)]
            if layer.recurrence is not None:
                projections.append(Projection(name, layer.recurrence))
            out.append(Population(name, layer.neuron, tuple(projections), layer.bias))
            source = name
        into = Projection(source, Dense(self.readout.weight))
        out.append(Population(READOUT[:-1], self.readout, (into,)))
        return tuple(out)

    @property
    def max_delay(self) -> int:
        """Longest delay in steps; 0 without delays."""
        return int(max(p.synapses.depth - 1 for _, p in self.projections()))

    def recurrences(self) -> Iterator[tuple[int, Synapses]]:
        """Layer number and recurrence of each layer of a chain that has one."""
        for i, layer in enumerate(self.layers):
            if layer.recurrence is not None:
                yield i, layer.recurrence

    def _recurrent(self) -> Iterator[Synapses | Feed]:
        for target, projection in self.projections():
            if self.closes_cycle(target, projection):
                yield projection.synapses

    def recurrent_parameters(self) -> int:
        """Parameters of the projections that close cycles."""
        return sum(s.parameters for s in self._recurrent())

    def dense_recurrent_parameters(self) -> int:
        """Parameters of dense_delay in their place: N*N + N each."""
        return sum(s.size * s.sources + s.sources for s in self._recurrent())

    def parameters(self) -> int:
        """Elements of all arrays, shared ones once; a constant that all neurons share is not counted."""
        shared = {id(p.synapses): p.synapses for _, p in self.projections()}
        total = int(sum(s.parameters for s in shared.values()))
        for p in self.populations:
            total += p.neuron.bias.size if isinstance(p.neuron, Readout) else p.bias.size
            if isinstance(p.neuron, Neuron):
                total += sum(array.size for array in p.neuron.arrays().values())
        return total

    def step(
        self, x: F32, state: State, spikes: Sequence[Callable[[F32], None]] = ()
    ) -> tuple[F32, State]:
        """See `BaseNetwork.step`: this is the plain reference."""
        new: State = {}
        now: State = {INPUT: self.rounded(x)}
        outputs: list[F32] = []
        receivers = iter(spikes)
        for p in self.populations:
            current = p.current(self.lines(p, now, state))
            own = own_state(p.prefix, p.states, state)
            if isinstance(p.neuron, Readout):
                y, after = p.neuron.integrate(current, own)
                outputs.append(y)
            else:
                now[p.name], after = p.neuron.reference(current, own)
                if spikes:
                    next(receivers)(now[p.name])
            new |= prefixed(p.prefix, after)
        return np.concatenate(outputs, axis=1), new | self.after(now, state)
