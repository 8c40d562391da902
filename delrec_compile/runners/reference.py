"""The NumPy reference as a runner."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.network.integer.model import IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.runners.runner import Trace


class ReferenceRunner:
    """The slow NumPy reference of a float or an integer network."""

    name = "reference"

    def __init__(self, network: Network | IntegerNetwork) -> None:
        self.network = network

    def trace(self, x: F32) -> Trace:
        state: Any = self.network.reset(x.shape[1])
        ys = []
        spikes: list[list[F32]] = [[] for _ in self.network.spiking]
        for row in x:
            y, state = self.network.step(row, state, spikes=[s.append for s in spikes])
            ys.append(y)
        return Trace(np.stack(ys), tuple(np.stack(s).astype(np.uint8) for s in spikes))
