"""A foreign model as a chain of parts in order, and the frozen `Network` made of it.

Every importer describes its model by these parts. A part that no network has is refused, by the name
that it has in its model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop import linear_parts
from delrec_compile.interop.linear_parts import Affine, Convolution, LinearPart, Scale
from delrec_compile.network.model import DenseDelay, Layer, Lif, Network, Readout, Synapses
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.linear_readout import LinearReadout

MAX_FORWARD_DELAY = MAX_DELAY + 1  # steps; the step that a recurrence takes is part of the delay
SPIKE_DECISION = "sum"  # decision of a model whose outputs are its last spikes


@dataclass(frozen=True, eq=False)
class Neurons:
    """A spiking layer. constant_current: (N,), added to its current at each step, or None."""

    lif: Lif
    recurrence: Synapses | None = None
    constant_current: Any = None


@dataclass(frozen=True)
class Integrator:
    """Leaky neurons that never fire: v = beta * v + gain * I, with v as their output."""

    beta: float
    gain: float = 1.0


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of spikes on their way to the next layer. steps: (N,)."""

    steps: NDArray[np.int64]


Part = LinearPart | Neurons | Integrator | Delays


@dataclass
class Chain:
    """Parts with their names, in order. remarks: notes on the import for its user."""

    inputs: int
    parts: list[tuple[str, Part]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, part: Part) -> None:
        self.parts.append((name, part))

    def layers(self) -> list[tuple[str, Neurons | Delays]]:
        """The parts that become layers, with their names; some only carry delays."""
        own = [(n, p) for n, p in self.parts if isinstance(p, Neurons | Delays)]
        return [(n, p) for n, p in own if isinstance(p, Neurons) or p.steps.any()]

    def spiking_layers(self) -> tuple[int, ...]:
        """Indices of the network's layers that are spiking parts."""
        return tuple(i for i, (_, p) in enumerate(self.layers()) if isinstance(p, Neurons))

    def network(
        self,
        *,
        dt_ms: float = 10.0,
        max_input: float | None = None,
        input_bits: int | None = None,
        labels: tuple[str, ...] = (),
        name: str = "network",
        decision: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> Network:
        """The chain as a network, its weights not yet on a grid.

        max_input: by default 31, of real inputs 1.

        Raises UnsupportedError for a part that no network has, by its name, and NetworkError for
        invalid values.
        """
        layers, readout = _assembled(self)
        if decision is not None:
            readout = replace(readout, decision=decision)
        most = (31 if input_bits is None else 1) if max_input is None else max_input
        own = dict(notes or {})
        return Network(layers, readout, dt_ms, most, labels, name, own, input_bits)


def lif_of(size: int, name: str, **constants: Any) -> Lif:
    """A Lif whose constants are numbers if all neurons share them, else arrays (size,).

    Raises UnsupportedError, with the name.
    """
    fields: dict[str, Any] = {}
    for key, value in constants.items():
        if isinstance(value, str):
            fields[key] = value
            continue
        array = np.asarray(value, np.float64)
        if array.size not in (1, size):
            raise UnsupportedError(f"{name}: {key} of shape {list(array.shape)} for {size} neurons")
        own = array.ravel()
        with np.errstate(over="ignore"):
            rounded = own.astype(np.float32)  # the type that networks store
        fields[key] = float(own[0]) if (rounded == rounded[0]).all() else own
    try:
        return Lif(**fields)
    except NetworkError as error:
        raise UnsupportedError(f"{name}: {error}") from error


def _assembled(chain: Chain) -> tuple[tuple[Layer, ...], Readout]:
    layers: list[Layer] = []
    pending: list[LinearPart] = []
    size, readout, name = chain.inputs, None, "the readout"
    for name, part in chain.parts:
        if readout is not None:
            raise UnsupportedError(
                f"{name}: comes after neurons that never fire, which must be the last layer"
            )
        if isinstance(part, Neurons):
            layers.append(_layer(name, pending, size, part))
            pending, size = [], layers[-1].size
        elif isinstance(part, Integrator):
            readout = _integrating(name, pending, size, part)
        elif isinstance(part, Delays):
            if part.steps.any():
                relay, selection = _relay(name, _of_spikes(name, part.steps, pending, layers))
                layers.append(relay)
                pending = [selection, *pending]
                size = pending[-1].outputs
        else:
            pending.append(_fitting(name, part, size))
            size = part.outputs
    if not layers:
        raise UnsupportedError("the model has no spiking layer; at least one is required")
    return tuple(layers), readout or _last(name, pending, size)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Raises UnsupportedError, with the part's name, for invalid arrays."""
    try:
        yield
    except (NetworkError, ValueError) as error:
        raise UnsupportedError(f"{name}: {error}") from error


def _layer(name: str, pending: list[LinearPart], size: int, part: Neurons) -> Layer:
    with _named(name):
        total = linear_parts.fold(pending, size)
        if part.constant_current is not None:
            constant = np.asarray(part.constant_current, np.float64).ravel()
            shift = Scale(np.ones(len(constant)), constant)
            total = linear_parts.fold([total, shift], total.outputs)
        maps = total.maps if isinstance(total, Convolution) else None
        weight = total.kernel if isinstance(total, Convolution) else total.weight
        return Layer(
            weight.astype(np.float32),
            total.bias.astype(np.float32),
            part.lif,
            part.recurrence,
            maps,
        )


def _fitting(name: str, part: LinearPart, size: int) -> LinearPart:
    if part.inputs != size:
        raise UnsupportedError(
            f"{name}: takes {part.inputs} values, what comes before sends {size}"
        )
    return part


def _integrating(name: str, pending: list[LinearPart], size: int, part: Integrator) -> Readout:
    with _named(name):
        total = linear_parts.dense(linear_parts.fold(pending, size))
        weight, bias = _scaled(total, part.gain)
        return LeakyReadout(weight, bias, part.beta)


def _last(name: str, pending: list[LinearPart], size: int) -> Readout:
    """The readout of a model that ends with weights, or with spikes."""
    with _named(name):
        total = linear_parts.dense(linear_parts.fold(pending, size))
        readout = LinearReadout(*_scaled(total, 1.0))
    return readout if pending else replace(readout, decision=SPIKE_DECISION)


def _scaled(part: Affine, gain: float) -> tuple[F32, F32]:
    """Weight and bias times the gain, float32."""
    return (part.weight * gain).astype(np.float32), (part.bias * gain).astype(np.float32)


def _of_spikes(
    name: str, steps: NDArray[np.int64], pending: list[LinearPart], layers: list[Layer]
) -> NDArray[np.int64]:
    """The delays as those of the spikes before the pending weights. Raises UnsupportedError.

    One delay of all currents is that of the spikes behind them, if no bias is delayed too.
    """
    if not layers:
        raise UnsupportedError(
            f"{name}: delays the model's input; only spikes can be delayed: delay the data by as many "
            "steps"
        )
    if not pending:
        return steps
    with _named(name):
        biased = linear_parts.fold(pending, layers[-1].size).biases.any()
    if biased or (steps != steps[0]).any():
        why = "a bias" if biased else "delays that differ between neurons"
        raise UnsupportedError(
            f"{name}: delays values that are not spikes, behind weights with {why}; delay the spikes "
            "of a layer, before their weights"
        )
    return np.full(layers[-1].size, steps[0])


def _relay(name: str, steps: NDArray[np.int64]) -> tuple[Layer, Affine]:
    """A layer whose second half repeats the spikes of its first half after the delays.

    Also the selection of the neurons that send each spike at its time.
    """
    if steps.max() > MAX_FORWARD_DELAY:
        raise UnsupportedError(
            f"{name}: a delay of {steps.max()} steps; the longest allowed is {MAX_FORWARD_DELAY}"
        )
    n = len(steps)
    none, eye, late = np.zeros((n, n)), np.eye(n), np.diag(steps > 0)
    recurrent = np.block([[none, none], [late, none]])
    delay = np.concatenate([np.maximum(steps - 1, 0), np.zeros(n, np.int64)])
    weight = np.concatenate([eye, none]).astype(np.float32)
    own = DenseDelay(recurrent.astype(np.float32), delay.astype(np.int32))
    layer = Layer(weight, np.zeros(2 * n, np.float32), Lif(0.0), own)
    return layer, linear_parts.affine(np.concatenate([eye - late, late], axis=1))
