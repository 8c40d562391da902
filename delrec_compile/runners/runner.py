"""The protocol of every runner: `trace(x) -> outputs and spikes`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32
from delrec_compile.errors import ParityError

KERNELS_DIFFER = "the tracing kernel and the kernel without trace compute different outputs"


class Runner(Protocol):
    """An engine with a network loaded. Every trace starts from a fresh state."""

    name: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...


@dataclass(frozen=True)
class Trace:
    """Outputs and spikes of a run. y: (T, batch, outputs). spikes: (T, batch, N) uint8 per layer."""

    y: F32
    spikes: tuple[NDArray[np.uint8], ...]


class KernelRunner(ABC):
    """A runner of an artifact, which has a tracing kernel and one without trace."""

    name: str

    def trace(self, x: F32) -> Trace:
        """Outputs and spikes, with both kernels. x: (T, batch, inputs) counts.

        Raises ParityError where the outputs of the kernels differ.
        """
        trace = self.trace_once(x)
        require_equal_outputs(trace.y, self.outputs_of(x))
        return trace

    @abstractmethod
    def trace_once(self, x: F32) -> Trace:
        """Outputs and spikes, with the tracing kernel alone."""

    @abstractmethod
    def outputs_of(self, x: F32) -> F32:
        """Outputs (T, batch, outputs), with the kernel without trace."""


def require_equal_outputs(traced: F32, untraced: F32) -> None:
    """Raises ParityError unless both kernels of an artifact compute the same outputs."""
    if not np.array_equal(traced, untraced):
        raise ParityError(f"{KERNELS_DIFFER}: report this")


def split_spikes(
    spikes: NDArray[np.uint8], neurons: Sequence[int]
) -> tuple[NDArray[np.uint8], ...]:
    """(T, batch, neurons of all layers) -> one (T, batch, N) per layer."""
    return tuple(np.split(spikes, np.cumsum(neurons)[:-1], axis=2))
