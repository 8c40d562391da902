"""Network -> torch step with explicit state: `(x, *state) -> (y, *state)`.

This is the reference that parity is measured against.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.network.model import Network
from delrec_compile.network.state import HISTORY, READOUT, layer_prefix
from delrec_compile.ops import linear


class Step(nn.Module):
    """One time step of a frozen network in eager PyTorch.

    forward(x (batch, inputs), *state) -> (y (batch, outputs), *state), the state in the canonical
    order of `Network.state()`, float32, batch-first.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(s.name for s in network.state())
        for i, layer in enumerate(network.layers):
            self._constant(f"w{i}", layer.weight)
            self._constant(f"b{i}", layer.bias)
            if layer.recurrence is not None:
                for name, value in layer.recurrence.constants().items():
                    self._constant(f"r{i}_{name}", value)
        self._constant("w_out", network.readout.weight)
        self._constant("b_out", network.readout.step_bias)
        for name, value in network.readout.constants().items():
            self._constant(f"out_{name}", value)

    def _constant(self, name: str, value: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(np.array(value)))

    def reset(self, batch: int = 1) -> tuple[Tensor, ...]:
        return tuple(torch.zeros(batch, *s.shape) for s in self.network.state())

    def forward(self, x: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        y, _, _, new = self.inside(x, state)
        return (y, *new)

    @torch.no_grad()
    def inside(
        self, x: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, list[Tensor], list[Tensor], tuple[Tensor, ...]]:
        """Same as `forward`, and also returns each layer's spikes and its membrane before the reset.

        Returns y, spikes, membranes, state.
        """
        past = dict(zip(self.names, state, strict=True))
        new: list[Tensor] = []
        spikes: list[Tensor] = []
        membranes: list[Tensor] = []
        for i, layer in enumerate(self.network.layers):
            form = linear.torch_form if layer.maps is None else layer.maps.torch_form
            current = form(x, self.get_buffer(f"w{i}"), self.get_buffer(f"b{i}"))
            prefix = layer_prefix(i)
            if layer.recurrence is not None:
                hist = past[prefix + HISTORY]
                names = layer.recurrence.constants()
                constants = [self.get_buffer(f"r{i}_{name}") for name in names]
                current = current + layer.recurrence.torch_form(hist, *constants)
            own = {name: past[prefix + name] for name in layer.states}
            x, after, m = layer.neuron.torch_form(current, own)
            new += after.values()
            spikes.append(x)
            membranes.append(m)
            if layer.recurrence is not None:
                new.append(torch.cat([x[:, None], hist[:, :-1]], dim=1))
        current = linear.torch_form(x, self.get_buffer("w_out"), self.get_buffer("b_out"))
        readout = self.network.readout
        own = {name: past[READOUT + name] for name in readout.states}
        constants = [self.get_buffer(f"out_{name}") for name in readout.constants()]
        y, after = readout.torch_form(current, own, *constants)
        return y, spikes, membranes, (*new, *after.values())
