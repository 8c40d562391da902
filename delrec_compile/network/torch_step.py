"""Network -> torch step with explicit state: `(x, *state) -> (y, *state)`.

This is the reference that parity is measured against.
"""

from __future__ import annotations

from collections.abc import Mapping

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
        for p in network.populations:
            self._constant(p.prefix + "bias", p.bias)
            self._constant(p.prefix + "biases", p.biases)
            for each in p.projections:
                for name, value in _constants(each).items():
                    self._constant(_name(p, each, name), value)
            if isinstance(p.neuron, Readout):
                for name, value in p.neuron.constants().items():
                    self._constant(p.prefix + name, value)

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
        for each in p.projections:
            part = self._part(p, each, now, past)
            total = part if total is None else total + part
        assert total is not None
        return total if p.feed_takes_bias else total + self.get_buffer(p.prefix + "biases")

    def _part(
        self, p: Population, each: Projection, now: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> Tensor:
        """Current of one projection; the first feed adds the biases."""
        if not isinstance(each.synapses, Feed):
            constants = [self.get_buffer(_name(p, each, n)) for n in each.synapses.constants()]
            return each.synapses.torch_form(self._line(p, each, now, past), *constants)
        weight, bias = self.get_buffer(_name(p, each, "weight")), self.get_buffer(p.prefix + "bias")
        if each is not p.feed or not p.feed_takes_bias:
            bias = weight.new_zeros(len(weight))
        return each.synapses.torch_form(now[each.source], weight, bias)

    def _line(
        self, p: Population, each: Projection, now: Mapping[str, Tensor], past: Mapping[str, Tensor]
    ) -> Tensor:
        """See `Network.line`."""
        depth, history = each.synapses.depth, past.get(f"{each.source}_{HISTORY}")
        if self.network.closes_cycle(p, each):
            assert history is not None
            return history[:, :depth]
        newest = now[each.source][:, None]
        if history is None or depth == 1:
            return newest
        return torch.cat([newest, history[:, : depth - 1]], dim=1)


def _constants(each: Projection) -> Mapping[str, np.ndarray]:
    if isinstance(each.synapses, Feed):
        return {"weight": each.synapses.matrix}
    return each.synapses.constants()


def _name(p: Population, each: Projection, name: str) -> str:
    return p.prefix + each.prefix + name
