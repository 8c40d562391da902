"""The protocol of every runner: `trace(x) -> outputs and spikes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from delrec_compile.aliases import F32


class Runner(Protocol):
    """An engine with a network loaded. Every trace starts from a fresh state."""

    name: str

    def trace(self, x: F32) -> Trace:
        """x: (T, batch, inputs) counts."""
        ...


@dataclass(frozen=True)
class Trace:
    """What an engine did. y: (T, batch, outputs). spikes: (T, batch, N) uint8, one per layer."""

    y: F32
    spikes: tuple[NDArray[np.uint8], ...]
