"""Network -> torch step with explicit state: `(x, *state) -> (y, *state)`.

This is the reference that parity is measured against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.network.model import INPUT, Network, Population, Projection
from delrec_compile.network.state import HISTORY
from delrec_compile.ops.feed import Feed
from delrec_compile.ops.readout import Readout


class Step(nn.Module):
    """One time step of a frozen network in eager PyTorch.

    forward(x (batch, inputs), *state) -> (y (batch, outputs), *state), the state in the canonical
    order of `Network.state()`, float32, batch-first.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.names = tuple(s.name for s in network.state())
        self.parts: dict[str, tuple[_Part, ...]] = {}
        for p in network.populations:
            self.parts[p.name] = tuple(self._part(p, each) for each in p.projections)
            if not p.feed_takes_bias:
                self._constant(p.prefix + "biases", p.biases)
            if isinstance(p.neuron, Readout):
                for name, value in p.neuron.constants().items():
                    self._constant(p.prefix + name, value)

    def _part(self, p: Population, each: Projection) -> _Part:
        """Keeps the constants of a projection; the first feed adds the biases."""
        s, prefix = each.synapses, p.prefix + each.prefix
        if isinstance(s, Feed):
            takes = each is p.feed and p.feed_takes_bias
            bias = p.bias if takes else np.zeros(len(s.matrix), np.float32)
            constants = {"weight": s.matrix, "bias": bias}
        else:
            constants = s.constants()
        for name, value in constants.items():
            self._constant(prefix + name, value)
        names = tuple(prefix + name for name in constants)
        back = self.network.closes_cycle(p, each)
        steps = self.network.histories.get(each.source, 0)
        return _Part(s, each.source, names, back, s.depth, steps)

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
        """Same as `forward`, with each population's spikes and its membrane before the reset.

        Returns y, spikes, membranes, state.
        """
        past = dict(zip(self.names, state, strict=True))
        real = self.network.real_input
        now = {INPUT: x if real is None else real.torch_form(x)}
        new: dict[str, Tensor] = {}
        spikes: list[Tensor] = []
        membranes: list[Tensor] = []
        ys: list[Tensor] = []
        for p in self.network.populations:
            current = self._current(p, now, past)
            own = {name: past[p.prefix + name] for name in p.states}
            if isinstance(p.neuron, Readout):
                constants = [self.get_buffer(p.prefix + name) for name in p.neuron.constants()]
                y, after = p.neuron.torch_form(current, own, *constants)
                ys.append(y)
            else:
                now[p.name], after, m = p.neuron.torch_form(current, own)
                spikes.append(now[p.name])
                membranes.append(m)
            new |= {p.prefix + name: value for name, value in after.items()}
        for source in self.network.histories:
            name = f"{source}_{HISTORY}"
            new[name] = torch.cat([now[source][:, None], past[name][:, :-1]], dim=1)
        y = ys[0] if len(ys) == 1 else torch.cat(ys, dim=1)
        return y, spikes, membranes, tuple(new[name] for name in self.names)

    def _current(
        self, p: Population, now: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> Tensor:
        total: Tensor | None = None
        for part in self.parts[p.name]:
            line = now[part.source] if isinstance(part.synapses, Feed) else part.line(now, past)
            current = part.synapses.torch_form(line, *(self.get_buffer(n) for n in part.constants))
            total = current if total is None else total + current
        assert total is not None
        return total if p.feed_takes_bias else total + self.get_buffer(p.prefix + "biases")


@dataclass(frozen=True)
class _Part:
    """A projection. constants: names of its buffers. back: whether it closes a cycle. depth: steps that
    it reads. steps: those of its source's history."""

    synapses: Any
    source: str
    constants: tuple[str, ...]
    back: bool
    depth: int
    steps: int

    def line(self, now: Mapping[str, Tensor], past: Mapping[str, Tensor]) -> Tensor:
        """See `Network.line`."""
        if self.back:
            history = past[f"{self.source}_{HISTORY}"]
            return history if self.depth == self.steps else history[:, : self.depth]
        newest = now[self.source][:, None]
        if self.depth == 1:
            return newest
        history = past[f"{self.source}_{HISTORY}"]
        return torch.cat([newest, history[:, : self.depth - 1]], dim=1)
