"""The frozen network in eager PyTorch: the plain step, and the fewest operators it can be made of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import (
    Baseline,
    Workload,
    basic_lif,
    is_supported,
    leak_over_time,
)
from delrec_compile.evaluation.baselines.window import History
from delrec_compile.network.model import Layer, Network
from delrec_compile.network.torch_step import Step

WIDE = 64  # from this batch on, a product per step stays in the cache and one over time does not


class TorchEager(Baseline):
    """The step that parity is measured against."""

    name = "torch_eager"
    form = "the step, functional"

    def __init__(self, network: Network) -> None:
        self.step = Step(network)
        self.x = self.y = torch.empty(0)

    def take(self, x: F32) -> None:
        self.x = torch.from_numpy(np.ascontiguousarray(x))

    @torch.inference_mode()
    def run(self) -> None:
        state, ys = self.step.reset(self.x.shape[1]), []
        for row in self.x:
            y, *state = self.step(row, *state)
            ys.append(y)
        self.y = torch.stack(ys)

    def read(self) -> F32:
        return self.y.numpy()


class TorchInPlace(Baseline):
    """In place, the delay line a sliding window; feed-forward products over time where T is there.

    Membranes are kept negated: then one `threshold_` resets those that fired.
    """

    name = "torch_eager"

    def __init__(self, network: Network, work: Workload) -> None:
        self.work = work
        self.form = "in place, window"
        if work.hoists:
            self.form += ", products over time" if work.batch < WIDE else ", layer by layer"
        self.layers = [_Layer(layer, work) for layer in network.layers]
        r = network.readout
        self.w, self.b, self.beta = torch.from_numpy(r.weight.copy()), column(r.bias, work), r.beta
        self.leak = torch.from_numpy(leak_over_time(r.beta, work.steps))
        tail = (work.batch,) if work.batch > 1 else ()
        self.current = torch.zeros(r.size, *tail)
        self.x = torch.empty(0)
        self.y = torch.zeros(work.steps, r.size, *tail)

    def take(self, x: F32) -> None:
        own = x[:, 0] if self.work.batch == 1 else x.transpose(0, 2, 1)
        self.x = torch.from_numpy(np.ascontiguousarray(own))

    @torch.inference_mode()
    def run(self) -> None:
        for layer in self.layers:
            layer.u.zero_()
        if self.work.hoists:
            self._by_layer()
        else:
            self._by_step()

    def _by_layer(self) -> None:
        x = self.x
        for layer in self.layers:
            layer.over_time(x)
            x = layer.spikes
        currents = over_time(x, self.w, self.b)
        torch.mm(self.leak, currents.flatten(1), out=self.y.view(len(x), -1))

    def _by_step(self) -> None:
        y = torch.zeros_like(self.y[0])
        for t, z in enumerate(self.x):
            for layer in self.layers:
                z = layer.step(z, t)
            product(z, self.w, self.b, self.current)
            y = torch.mul(y, self.beta, out=self.y[t]).add_(self.current)

    def read(self) -> F32:
        y = self.y.numpy()
        return y[:, None] if self.work.batch == 1 else y.transpose(0, 2, 1)


class _Layer:
    """One layer on the arrays of its history, which torch shares with numpy."""

    def __init__(self, layer: Layer, work: Workload) -> None:
        self.lif, self.work = basic_lif(layer.lif), work
        self.w, self.b = torch.from_numpy(layer.weight.copy()), column(layer.bias, work)
        self.history = h = History(layer, work)
        self.spikes = torch.from_numpy(h.spikes)
        self.fired: list[Tensor] = list(self.spikes)
        self.u = torch.zeros_like(self.spikes[0])
        self.current = torch.zeros_like(self.u)
        if h.weight is not None:
            self.at = torch.from_numpy(h.at())
            self.back = torch.from_numpy(h.weight.copy())
            width = h.rows.shape[1]
            whole = [torch.from_numpy(h.window(c)) for c in range(h.chunks)]
            self.windows = [w.view(len(w) * width, *w.shape[2:]) for w in whole]

    def step(self, z: Tensor, t: int) -> Tensor:
        product(z, self.w, self.b, self.current)
        if self.history.weight is not None:
            self.current.add_(self._arriving(t)[0])
        self._fire(self.current, t)
        return self.fired[t]

    def over_time(self, x: Tensor) -> None:
        """x: (T, inputs[, batch])."""
        ahead = self.history.ahead
        fed = over_time(x, self.w, self.b) if self.work.batch < WIDE else None
        for t in range(len(x)):
            if self.history.weight is not None and t % ahead == 0:
                back = self._arriving(t // ahead)
            if fed is None:
                product(x[t], self.w, self.b, self.current)
            current = self.current if fed is None else fed[t]
            if self.history.weight is not None:
                current.add_(back[t % ahead])
            self._fire(current, t)

    def _arriving(self, chunk: int) -> Tensor:
        """The recurrent current of the steps of one chunk: (ahead, N[, batch])."""
        h = self.history
        g = self.windows[chunk].index_select(0, self.at)
        if self.back.ndim == 1:
            return torch.mv(g.view(h.taps, -1).T, self.back).view(h.ahead, *self.u.shape)
        g = g.view(h.ahead, *self.u.shape)
        return g @ self.back.T if self.work.batch == 1 else self.back @ g

    def _fire(self, current: Tensor, t: int) -> None:
        u = self.u.mul_(self.lif.beta).sub_(current)
        torch.le(u, -self.lif.threshold, out=self.fired[t])
        torch.threshold_(u, -self.lif.threshold, -self.lif.v_reset)


def column(bias: F32, work: Workload) -> Tensor:
    """(N,) at batch 1, (N, 1) otherwise."""
    b = torch.from_numpy(bias.copy())
    return b if work.batch == 1 else b[:, None]


def product(x: Tensor, w: Tensor, b: Tensor, out: Tensor) -> None:
    """x: (inputs,) or (inputs, batch)."""
    (torch.addmv if x.ndim == 1 else torch.addmm)(b, w, x, out=out)


def over_time(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """x: (T, inputs[, batch]) -> (T, N[, batch])."""
    return torch.addmm(b, x, w.T) if x.ndim == 2 else torch.matmul(w, x).add_(b)


def torch_eager(network: Network, work: Workload) -> list[Baseline]:
    """The forms of `torch_eager`."""
    plain: list[Baseline] = [TorchEager(network)]
    return [*plain, TorchInPlace(network, work)] if is_supported(network) else plain
