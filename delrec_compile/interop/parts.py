"""What a foreign model is made of: neurons, outputs, delays and linear parts, each by its name there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F64
from delrec_compile.errors import NetworkError, UnsupportedError
from delrec_compile.interop.linear_parts import LinearPart
from delrec_compile.network.model import Lif, Maps, Neuron, Synapses, Window

Model = TypeVar("Model", bound=Neuron)


@dataclass(frozen=True, eq=False)
class Neurons:
    """A population that fires. recurrences: over its own spikes; their currents are added.

    constant_current: (N,), added to its current at each step, or None.
    """

    neuron: Neuron
    recurrences: tuple[Synapses, ...] = ()
    constant_current: Any = None


@dataclass(frozen=True)
class Integrator:
    """Leaky neurons that never fire: v = beta * v + gain * I, with v as their output.

    beta, gain, alpha: one number, or one for each (N,).

    alpha: of a synaptic current i = alpha * i + I, which then takes the place of I; or None. enters:
    whether it is the new or the old one.
    """

    beta: Any
    gain: Any = 1.0
    alpha: Any = None
    enters: str = "new"


@dataclass(frozen=True, eq=False)
class Delays:
    """Delays of values on their way. steps: (N,)."""

    steps: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Peak:
    """The largest value of each window of each channel. shape: of values, (channels, rows, columns)."""

    shape: tuple[int, int, int]
    window: Window

    @property
    def maps(self) -> Maps:
        """One to one maps of which it takes the largest sums."""
        channels = self.shape[0]
        return Maps(*self.shape, (channels, 1, 1, 1), groups=channels, peak=self.window)

    @property
    def inputs(self) -> int:
        return self.maps.inputs

    @property
    def outputs(self) -> int:
        return self.maps.size

    def reference(self, x: F64) -> F64:
        """Outputs (outputs,) of x (inputs,)."""
        ones = np.ones(self.maps.kernel)
        out: Any = self.maps.reference(x.reshape(1, -1), ones)  # type: ignore[arg-type]
        return np.asarray(out[0])


@dataclass(frozen=True, eq=False)
class SynapticWeights:
    """Weights with a delay each. weight: (K, out, in), K for each pair. delay: the same, in steps.

    bias: (out,), which no delay holds back.
    """

    weight: F64
    delay: NDArray[np.int64]
    bias: F64

    @property
    def inputs(self) -> int:
        return int(self.weight.shape[2])

    @property
    def outputs(self) -> int:
        return int(self.weight.shape[1])

    def each(self) -> list[SynapticWeights]:
        """One for each of the K, the first with the bias."""
        none = np.zeros_like(self.bias)
        return [
            SynapticWeights(self.weight[k : k + 1], self.delay[k : k + 1], none if k else self.bias)
            for k in range(len(self.weight))
        ]


OnPath = LinearPart | Delays | SynapticWeights | Peak
Part = OnPath | Neurons | Integrator


def lif_of(size: int, name: str, **constants: Any) -> Lif:
    """A Lif: see `neuron_of`."""
    return neuron_of(Lif, size, name, **constants)


def neuron_of(model: type[Model], size: int, name: str, **constants: Any) -> Model:
    """A neuron model whose constants are numbers if all neurons share them, else arrays (size,).

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
    with named(name):
        return model(**fields)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Raises UnsupportedError, with the part's name, for invalid arrays."""
    try:
        yield
    except (NetworkError, ValueError) as error:
        raise UnsupportedError(f"{name}: {error}") from error
