"""The frozen network as torch modules that a compiler of torch can fuse: no state, no gather.

Arrivals of a delay line are bits of one int64 per neuron. A kernel is a sum of shifted rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from delrec_compile.aliases import F32
from delrec_compile.errors import UnsupportedError
from delrec_compile.evaluation.baselines.baseline import (
    basic_lif,
    delays,
    leak_over_time,
    recurrent_weight,
)
from delrec_compile.network.model import ConvDelay, Layer, Network, Readout

BITS = 63  # steps ahead that one int64 holds


class PackedLayer(nn.Module):
    """One layer: its product with the inputs, and what follows it in one step."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.lif, self.n, self.kernel = basic_lif(layer.lif), layer.size, None
        self.recurrent = layer.recurrence is not None
        self.register_buffer("w", torch.from_numpy(layer.weight.copy()))
        self.register_buffer("b", torch.from_numpy(layer.bias.copy()))
        r = layer.recurrence
        if r is None:
            return
        delay = delays(r).astype(np.int64)
        if int(delay.max()) >= BITS:
            raise UnsupportedError(f"a packed history holds at most {BITS} steps of delay")
        weight = recurrent_weight(r)
        if isinstance(r, ConvDelay):
            self.kernel = [float(k) for k in weight]
        else:
            self.register_buffer("back", torch.from_numpy(weight.copy()))
        self.register_buffer("sent", torch.from_numpy(np.left_shift(1, delay)))

    def feed(self, x: Tensor) -> Tensor:
        """x: (..., inputs)."""
        return functional.linear(x, self.get_buffer("w"), self.get_buffer("b"))

    def forward(self, current: Tensor, v: Tensor, due: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """current, v, due: (batch, N). Returns spikes, v and due. due: bit d arrives in d steps."""
        if self.recurrent:
            current = current + self._arriving((due & 1).to(current.dtype))
        m = v * self.lif.beta + current
        fires = m >= self.lif.threshold
        if self.recurrent:
            due = (due >> 1) | torch.where(fires, self.get_buffer("sent"), 0)
        v = torch.where(m < self.lif.threshold, m, self.lif.v_reset)
        return fires.to(current.dtype), v, due

    def _arriving(self, g: Tensor) -> Tensor:
        if self.kernel is None:
            return functional.linear(g, self.get_buffer("back"))
        pad = len(self.kernel) // 2
        wide = functional.pad(g, (pad, pad))
        parts = [k * wide[:, i : i + self.n] for i, k in enumerate(self.kernel)]
        return torch.stack(parts).sum(0) if len(parts) > 5 else sum(parts[1:], parts[0])


class PackedReadout(nn.Module):
    """The readout: its product with the spikes, and its leaking sum of all steps."""

    def __init__(self, readout: Readout, steps: int) -> None:
        super().__init__()
        self.beta = readout.beta
        self.register_buffer("w", torch.from_numpy(readout.weight.copy()))
        self.register_buffer("b", torch.from_numpy(readout.bias.copy()))
        self.register_buffer("leak", torch.from_numpy(leak_over_time(readout.beta, steps)))

    def feed(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.get_buffer("w"), self.get_buffer("b"))

    def over_time(self, x: Tensor) -> Tensor:
        """x: (T, batch, N) -> (T, batch, outputs)."""
        currents = self.feed(x)
        return (self.get_buffer("leak") @ currents.flatten(1)).view(currents.shape)


class PackedStep(nn.Module):
    """One step: (x, y, v, due, v, due, ...) -> (y, v, due, ...), all (batch, ...)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PackedLayer(layer) for layer in network.layers)
        self.readout = PackedReadout(network.readout, 1)

    def forward(self, x: Tensor, y: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        new: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, PackedLayer)
            x, v, due = layer(layer.feed(x), *state[2 * i : 2 * i + 2])
            new += [v, due]
        return (y * self.readout.beta + self.readout.feed(x), *new)


class Front(nn.Module):
    """Layers without recurrence over all steps, then the product of what follows.

    forward(x (T, batch, inputs)) -> (T, batch, n): the currents of a recurrent layer, or outputs.
    """

    def __init__(self, plain: list[PackedLayer], last: PackedLayer | PackedReadout) -> None:
        super().__init__()
        self.plain, self.last = nn.ModuleList(plain), last

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.plain:
            assert isinstance(layer, PackedLayer)
            currents = layer.feed(x)
            v, fired = torch.zeros_like(currents[0]), []
            for t in range(len(x)):
                spikes, v, _ = layer(currents[t], v, v)
                fired.append(spikes)
            x = torch.stack(fired)
        last = self.last
        return last.over_time(x) if isinstance(last, PackedReadout) else last.feed(x)


class Block(nn.Module):
    """Some steps of a layer with recurrence: (currents (t, batch, N), v, due) -> (spikes, v, due)."""

    def __init__(self, layer: PackedLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, currents: Tensor, v: Tensor, due: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fired = []
        for current in currents.unbind():
            spikes, v, due = self.layer(current, v, due)
            fired.append(spikes)
        return torch.stack(fired), v, due


def fresh(network: Network, batch: int) -> tuple[Tensor, ...]:
    """The state of `PackedStep`."""
    state = [torch.zeros(batch, network.outputs)]
    for layer in network.layers:
        state += [torch.zeros(batch, layer.size), torch.zeros(batch, layer.size, dtype=torch.int64)]
    return tuple(state)


def rows(x: F32) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))
