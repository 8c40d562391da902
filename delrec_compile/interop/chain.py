"""A foreign model as a chain of parts in order, and the frozen `Network` that it is.

Every importer says what it found in these words; what a chain cannot be made a network of is refused
with the name that the part has in its model.
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
from delrec_compile.interop.linear_parts import Affine, Convolution, Feed, Scale
from delrec_compile.network.model import DenseDelay, Layer, Lif, Network, Readout, Recurrence
from delrec_compile.ops.checks import MAX_DELAY
from delrec_compile.ops.leaky_readout import LeakyReadout
from delrec_compile.ops.linear_readout import LinearReadout

LONGEST = MAX_DELAY + 1  # the step that a recurrence takes is part of the delay
SPIKES = "sum"  # the decision of a model whose outputs are its last spikes


@dataclass(frozen=True, eq=False)
class Neurons:
    """A spiking layer. drive: (N,), added to its current at each step; or None."""

    lif: Lif
    recurrence: Recurrence | None = None
    drive: Any = None


@dataclass(frozen=True)
class Integrator:
    """Leaky neurons that never fire: v = beta * v + gain * I, and v is what they send."""

    beta: float
    gain: float = 1.0


@dataclass(frozen=True, eq=False)
class Delays:
    """Spikes on their way forward come whole steps later. steps: (N,)."""

    steps: NDArray[np.int64]


Part = Feed | Neurons | Integrator | Delays


@dataclass
class Chain:
    """Parts with their names, in order. remarks: what a user should know of the import."""

    inputs: int
    parts: list[tuple[str, Part]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, part: Part) -> None:
        self.parts.append((name, part))

    def spiking(self) -> tuple[int, ...]:
        """Which layers of the network are spiking parts; the others carry delays."""
        kinds = [p for _, p in self.parts if isinstance(p, Neurons | Delays)]
        kept = [p for p in kinds if isinstance(p, Neurons) or p.steps.any()]
        return tuple(i for i, p in enumerate(kept) if isinstance(p, Neurons))

    def network(
        self,
        *,
        dt_ms: float = 10.0,
        max_input: int = 31,
        labels: tuple[str, ...] = (),
        name: str = "network",
        decision: str | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> Network:
        """The chain as a network, its weights not yet on a grid.

        Raises UnsupportedError: a part that no network has, by its name. NetworkError: bad values.
        """
        layers, readout = _assembled(self)
        if decision is not None:
            readout = replace(readout, decision=decision)
        return Network(layers, readout, dt_ms, max_input, labels, name, dict(notes or {}))


def lif_of(size: int, name: str, **constants: Any) -> Lif:
    """A Lif whose constants are numbers where all neurons have the same, else arrays (size,)."""
    told: dict[str, Any] = {}
    for key, value in constants.items():
        if isinstance(value, str):
            told[key] = value
            continue
        array = np.asarray(value, np.float64)
        if array.size not in (1, size):
            raise UnsupportedError(f"{name}: {key} of shape {list(array.shape)} for {size} neurons")
        own = array.ravel()
        with np.errstate(over="ignore"):
            kept = own.astype(np.float32)  # as networks hold them
        told[key] = float(own[0]) if (kept == kept[0]).all() else own
    try:
        return Lif(**told)
    except NetworkError as error:
        raise UnsupportedError(f"{name}: {error}") from error


def _assembled(chain: Chain) -> tuple[tuple[Layer, ...], Readout]:
    layers: list[Layer] = []
    pending: list[Feed] = []
    size, readout, name = chain.inputs, None, "the readout"
    for name, part in chain.parts:
        if readout is not None:
            raise UnsupportedError(f"{name}: comes after neurons that never fire, the last layer")
        if isinstance(part, Neurons):
            layers.append(_layer(name, pending, size, part))
            pending, size = [], layers[-1].size
        elif isinstance(part, Integrator):
            readout = _integrating(name, pending, size, part)
        elif isinstance(part, Delays):
            if pending or not layers:
                raise UnsupportedError(
                    f"{name}: delays what is no spike; only spikes of a layer can be delayed, "
                    "before their weights"
                )
            if part.steps.any():
                relay, chosen = _relay(name, part.steps)
                layers.append(relay)
                pending, size = [chosen], len(part.steps)
        else:
            pending.append(_fitting(name, part, size))
            size = part.outputs
    if not layers:
        raise UnsupportedError("the model has no spiking layer; at least one is needed")
    return tuple(layers), readout or _last(name, pending, size)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """What is wrong with its arrays is told with the part's name."""
    try:
        yield
    except (NetworkError, ValueError) as error:
        raise UnsupportedError(f"{name}: {error}") from error


def _layer(name: str, pending: list[Feed], size: int, part: Neurons) -> Layer:
    with _named(name):
        fed = linear_parts.fold(pending, size)
        if part.drive is not None:
            drive = np.asarray(part.drive, np.float64).ravel()
            fed = linear_parts.fold([fed, Scale(np.ones(len(drive)), drive)], fed.outputs)
        maps = fed.maps if isinstance(fed, Convolution) else None
        weight = fed.kernel if isinstance(fed, Convolution) else fed.weight
        narrow = weight.astype(np.float32)
        return Layer(narrow, fed.bias.astype(np.float32), part.lif, part.recurrence, maps)


def _fitting(name: str, part: Feed, size: int) -> Feed:
    if part.inputs != size:
        raise UnsupportedError(
            f"{name}: takes {part.inputs} values, what comes before sends {size}"
        )
    return part


def _integrating(name: str, pending: list[Feed], size: int, part: Integrator) -> Readout:
    with _named(name):
        fed = linear_parts.dense(linear_parts.fold(pending, size))
        weight, bias = _scaled(fed, part.gain)
        return LeakyReadout(weight, bias, part.beta)


def _last(name: str, pending: list[Feed], size: int) -> Readout:
    """Of a model that ends with weights, or with spikes."""
    with _named(name):
        fed = linear_parts.dense(linear_parts.fold(pending, size))
        made = LinearReadout(*_scaled(fed, 1.0))
    return made if pending else replace(made, decision=SPIKES)


def _scaled(fed: Affine, gain: float) -> tuple[F32, F32]:
    """Weight and bias, times the gain."""
    return (fed.weight * gain).astype(np.float32), (fed.bias * gain).astype(np.float32)


def _relay(name: str, steps: NDArray[np.int64]) -> tuple[Layer, Affine]:
    """A layer whose second half sends the spikes that its first half sent so many steps ago.

    Also the choice of those of its neurons that send each spike at its time.
    """
    if steps.max() > LONGEST:
        raise UnsupportedError(
            f"{name}: a delay of {steps.max()} steps; the longest allowed is {LONGEST}"
        )
    n = len(steps)
    none, eye, late = np.zeros((n, n)), np.eye(n), np.diag(steps > 0)
    recurrent = np.block([[none, none], [late, none]])
    delay = np.concatenate([np.maximum(steps - 1, 0), np.zeros(n, np.int64)])
    weight = np.concatenate([eye, none]).astype(np.float32)
    own = DenseDelay(recurrent.astype(np.float32), delay.astype(np.int32))
    layer = Layer(weight, np.zeros(2 * n, np.float32), Lif(0.0), own)
    return layer, linear_parts.affine(np.concatenate([eye - late, late], axis=1))
