"""Maps without a delay: what a population gets from one that fires before it in the same step.

    I(t) = W S(t)                     dense
    I(t) = convolution(kernel, S(t))  convolution, see `maps`

They are the delays of `synapses` with a line of one step; composers sum them without any memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.ops import checks, linear
from delrec_compile.ops.maps import Maps
from delrec_compile.ops.synapses import Arrays
from delrec_compile.ops.window import Window

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, eq=False)
class Feed(ABC):
    """A map without a delay. kind: name in files."""

    kind: ClassVar[str]
    depth: ClassVar[int] = 1

    @property
    @abstractmethod
    def matrix(self) -> F32:
        """Its weights."""

    @property
    @abstractmethod
    def sources(self) -> int:
        """Neurons that send."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Neurons that receive."""

    @property
    @abstractmethod
    def weights(self) -> dict[str, F32]:
        """Arrays that freezing rounds to a grid, by field."""

    @property
    @abstractmethod
    def node(self) -> str:
        """Its ONNX function (values, weight, bias)."""

    @property
    def name(self) -> str:
        """Name for people."""
        return self.kind

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return self.matrix.size

    @property
    def rows(self) -> list[F32]:
        """Weights that are held as rows of 16 bits."""
        return [self.matrix]

    def arrays(self) -> Arrays:
        """Every array by field, as files hold them."""
        return {**self.weights}

    def attributes(self) -> dict[str, Any]:
        """The fields that are not arrays, as JSON holds them."""
        return {}

    def node_attributes(self) -> dict[str, Any]:
        """Attributes of its ONNX node."""
        return {}

    def sums(self) -> Any:
        """(rows of the weights,): size of each sum, if every neuron sends 1."""
        flat = np.abs(self.matrix.astype(np.float64)).reshape(len(self.matrix), -1)
        return flat.sum(axis=1)

    def largest_current(self, largest: float = 1.0) -> float:
        """Upper bound of every partial sum of |I|, of values of that size."""
        return float(self.sums().max() * largest)

    @abstractmethod
    def apply(self, values: F32) -> F32:
        """Current (batch, size) of values (batch, sources)."""

    def reference(self, line: F32) -> F32:
        """line: (batch, 1, sources). Returns the current (batch, size)."""
        return self.apply(line[:, 0])

    @abstractmethod
    def torch_form(
        self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """Same as `apply`, with a bias, in eager torch."""


@dataclass(frozen=True, eq=False)
class Dense(Feed):
    """weight: (size, sources). Raises NetworkError."""

    weight: F32
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", checks.matrix("weight", self.weight))

    @property
    def node(self) -> str:
        return "Linear"

    @property
    def matrix(self) -> F32:
        return self.weight

    @property
    def sources(self) -> int:
        return int(self.weight.shape[1])

    @property
    def size(self) -> int:
        return len(self.weight)

    @property
    def weights(self) -> dict[str, F32]:
        return {"weight": self.weight}

    def apply(self, values: F32) -> F32:
        return linear.reference(values, self.weight, np.zeros(self.size, np.float32))

    def torch_form(
        self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        return linear.torch_form(values, weight, bias)


@dataclass(frozen=True, eq=False)
class Convolution(Feed):
    """kernel: (O, C / groups, rows, columns). maps: its shape. Raises NetworkError."""

    kernel: F32
    maps: Maps
    kind: ClassVar[str] = "convolution"

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", self.maps.checked(self.kernel))

    @classmethod
    def pooling(
        cls, shape: tuple[int, int, int], window: Window, weight: float = 1.0
    ) -> Convolution:
        """The sum of each window of each channel, times a weight. shape: channels, height, width."""
        channels, height, width = shape
        size = (channels, 1, *window.size)
        maps = Maps(
            channels,
            height,
            width,
            size,
            window.stride,
            window.pad,
            channels,
            window.end,
            window.dilation,
        )
        return cls(np.full(size, weight, np.float32), maps)

    @property
    def node(self) -> str:
        return self.maps.node

    @property
    def name(self) -> str:
        return "pooling" if self.is_pool else self.kind

    @property
    def is_pool(self) -> bool:
        """Whether it sums each channel by itself, all taps of a channel having one weight."""
        return self.maps.is_pool and bool((self.kernel == self.kernel[..., :1, :1]).all())

    @property
    def matrix(self) -> F32:
        return self.kernel

    @property
    def sources(self) -> int:
        return self.maps.inputs

    @property
    def size(self) -> int:
        return self.maps.size

    @property
    def weights(self) -> dict[str, F32]:
        return {"kernel": self.kernel}

    def attributes(self) -> dict[str, Any]:
        return self.maps.attributes()

    def node_attributes(self) -> dict[str, Any]:
        return self.maps.node_attributes()

    def apply(self, values: F32) -> F32:
        return self.maps.reference(values, self.kernel)

    def torch_form(
        self, values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        return self.maps.torch_form(values, weight, bias)


FEEDS: dict[str, type[Feed]] = {f.kind: f for f in (Dense, Convolution)}
