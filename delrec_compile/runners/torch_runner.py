"""The frozen network in eager PyTorch as a runner."""

from __future__ import annotations

from typing import Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.network.model import Network
from delrec_compile.runners.runner import Trace


class TorchRunner:
    """The frozen network in eager PyTorch: the reference of parity.

    membranes: of the last trace, before the reset: they tell how near a neuron was to firing. Empty
    with `spikes_only`, which takes a fifth of the memory.
    """

    name = "torch"

    def __init__(self, network: Network, *, spikes_only: bool = False) -> None:
        from delrec_compile.network.torch_step import Step

        self.step = Step(network)
        self.spikes_only = spikes_only
        self.membranes: list[F32] = []

    def trace(self, x: F32) -> Trace:
        import torch

        state, ys = self.step.reset(x.shape[1]), []
        spikes: list[list[Any]] = [[] for _ in self.step.network.spiking]
        membranes: list[list[Any]] = [[] for _ in spikes]
        for row in torch.from_numpy(x):
            y, fired, before, state = self.step.inside(row, state)
            ys.append(y.numpy())
            for i, (s, m) in enumerate(zip(fired, before, strict=True)):
                spikes[i].append(s.numpy().astype(np.uint8))
                if not self.spikes_only:
                    membranes[i].append(m.numpy())
        self.membranes = [] if self.spikes_only else [np.stack(m) for m in membranes]
        return Trace(np.stack(ys), tuple(np.stack(s) for s in spikes))
