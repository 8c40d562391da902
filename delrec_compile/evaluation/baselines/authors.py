"""The training form in eager PyTorch, as published: every spike is spread over the steps to come.

Linear and BatchNorm stand apart as in training; the spread is at its end, one slot wide. Spread
spikes are mixed slot by slot into a ring of future currents.

`authors_dense` is DelRec. `authors_conv` is conv_delays as it was first published (b80b9a2), its
recurrent neurons those of the network. `authors_conv_newest` is conv_delays at 0c1f6bc: one
convolution over neurons and slots, recurrent neurons whose current is scaled by 1 - beta and that fire
above the threshold.

Source: DelRec (arXiv 2509.24852) and conv-DelRec (arXiv 2604.15997). An own re-implementation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from delrec_compile.aliases import F32
from delrec_compile.evaluation.baselines.baseline import (
    Baseline,
    Workload,
    delays,
    recurrent_weight,
)
from delrec_compile.network.model import ConvDelay, DenseDelay, Layer, Network

FORMS_OF_CONV = ("conv1d over slots", "conv2d over neurons and slots")


class Authors(Baseline):
    """The training form, step by step; where all steps are there, Linear and BatchNorm over time."""

    def __init__(self, network: Network, name: str, work: Workload, form: str = "") -> None:
        self.name, self.form, self.network, self.work = name, form, network, work
        pairs = [(layer.weight, layer.bias) for layer in network.layers]
        self.feeds = [
            nn.Sequential(linear(w, b), nn.BatchNorm1d(len(b), eps=0.0).eval()) for w, b in pairs
        ]
        self.masks = [_spread(layer) for layer in network.layers]
        self.weights = [
            torch.from_numpy(recurrent_weight(r)) if (r := layer.recurrence) else None
            for layer in network.layers
        ]
        self.out = linear(network.readout.weight, network.readout.bias)
        self.x = self.y = torch.empty(0)

    def take(self, x: F32) -> None:
        self.x = torch.from_numpy(np.ascontiguousarray(x))

    def read(self) -> F32:
        return self.y.numpy()

    @torch.inference_mode()
    def run(self) -> None:
        self.y = self._by_layer(self.x) if self.work.hoists else self._by_step(self.x)

    def _by_layer(self, x: Tensor) -> Tensor:
        for i in range(len(self.masks)):
            fed = self.feeds[i](x.flatten(0, 1)).view(*x.shape[:2], -1)
            layer = self._fresh(i)
            x = torch.stack([layer.step(current) for current in fed])
        return self._integrate(self.out(x))

    def _by_step(self, x: Tensor) -> Tensor:
        layers = [self._fresh(i) for i in range(len(self.masks))]
        ys = []
        y = torch.zeros(self.work.batch, self.out.out_features)
        for z in x:
            for feed, layer in zip(self.feeds, layers, strict=True):
                z = layer.step(feed(z))
            y = y * self._beta + self.out(z)
            ys.append(y)
        return torch.stack(ys)

    def _integrate(self, currents: Tensor) -> Tensor:
        ys = []
        y = torch.zeros_like(currents[0])
        for current in currents:
            y = y * self._beta + current
            ys.append(y)
        return torch.stack(ys)

    @property
    def _beta(self) -> float:
        assert self.network is not None
        return float(self.network.readout.beta)

    def _fresh(self, i: int) -> _Running:
        assert self.network is not None
        two = self.form == FORMS_OF_CONV[1]
        return _Running(
            self.network.layers[i], self.masks[i], self.weights[i], self.work.batch, two
        )


class _Running:
    """One layer with its state."""

    def __init__(
        self, layer: Layer, mask: Tensor | None, weight: Tensor | None, batch: int, two: bool
    ) -> None:
        self.mask, self.weight, self.two = mask, weight, two
        lif = layer.lif
        self.beta, self.gain = float(lif.beta), float(lif.gain)
        self.threshold, self.v_reset = float(lif.threshold), float(lif.v_reset)
        self.above = lif.fires == "above"
        self.v = torch.zeros(batch, layer.size)
        self.ring = None if mask is None else torch.zeros(batch, *mask.shape)
        self.at = 0

    def step(self, current: Tensor) -> Tensor:
        if self.ring is not None:
            current = current + self.ring[:, :, self.at]
        m = self.v * self.beta + (current if self.gain == 1 else self.gain * current)
        z = (m > self.threshold if self.above else m >= self.threshold).float()
        self.v = m * (1 - z) + self.v_reset * z
        if self.ring is not None:
            self._send(z, self.ring)
        return z

    def _send(self, spikes: Tensor, ring: Tensor) -> None:
        """Mixes the spread spikes of this step into the ring, and goes to the next slot."""
        assert self.mask is not None
        slots = self.mask.shape[1]
        future = self._mixed(spikes[:, :, None] * self.mask)
        ring[:, :, self.at] = 0
        self.at = (self.at + 1) % slots
        until_end = min(slots - 1, slots - self.at)
        ring[:, :, self.at : self.at + until_end] += future[:, :, 1 : 1 + until_end]
        if slots - 1 > until_end:
            ring[:, :, : slots - 1 - until_end] += future[:, :, 1 + until_end :]

    def _mixed(self, spread: Tensor) -> Tensor:
        """spread: (batch, N, slots). The same through the recurrent weight."""
        weight = self.weight
        assert weight is not None
        if weight.ndim == 2:
            return weight @ spread
        pad = len(weight) // 2
        if self.two:
            return functional.conv2d(
                spread[:, None], weight[None, None, :, None], padding=(pad, 0)
            )[:, 0]
        batch, n, slots = spread.shape
        rows = spread.permute(0, 2, 1).reshape(batch * slots, 1, n)
        mixed = functional.conv1d(rows, weight[None, None], padding=pad)
        return mixed.view(batch, slots, n).permute(0, 2, 1)


def authors_dense(network: Network, work: Workload) -> list[Baseline]:
    """The form with a matrix, on the network's delays."""
    other = twin(network, "dense_delay")
    return [Authors(other, "authors_dense", work, "matrix product over slots")]


def authors_conv(network: Network, work: Workload) -> list[Baseline]:
    """The forms with a kernel, on the network's delays."""
    other = twin(network, "conv_delay")
    return [Authors(other, "authors_conv", work, form) for form in FORMS_OF_CONV]


def authors_conv_newest(network: Network, work: Workload) -> list[Baseline]:
    """The newest form with a kernel, on the network's delays, with neurons of its own."""
    other = newest(twin(network, "conv_delay"))
    return [Authors(other, "authors_conv_newest", work, FORMS_OF_CONV[1])]


def newest(network: Network) -> Network:
    """The network with the recurrent neurons of the newest conv_delays code."""
    layers = tuple(
        layer
        if layer.recurrence is None
        else replace(layer, neuron=replace(layer.lif, gain=1 - layer.lif.beta, fires="above"))
        for layer in network.layers
    )
    return replace(network, layers=layers)


def twin(network: Network, kind: str) -> Network:
    """The network with the other recurrence on the same delays, to time the authors' two forms.

    Its accuracy means nothing; its cost is that of the real one.
    """
    r = np.random.default_rng(0)
    layers = []
    for layer in network.layers:
        old = layer.recurrence
        new = old
        if old is not None and old.kind != kind:
            n, delay = old.size, delays(old)
            if kind == "conv_delay":
                new = ConvDelay(np.array([0.5, -0.25, 0.5], np.float32), delay)
            else:
                weight = r.integers(-8, 9, (n, n)) / 256.0
                new = DenseDelay(weight.astype(np.float32), delay)
        layers.append(Layer(layer.weight, layer.bias, layer.lif, new))
    return Network(tuple(layers), network.readout, network.dt_ms, network.max_input)


def linear(weight: F32, bias: F32) -> nn.Linear:
    """A torch layer with these weights, which need no gradient."""
    made = nn.Linear(weight.shape[1], weight.shape[0])
    made.weight.data = torch.from_numpy(np.array(weight))
    made.bias.data = torch.from_numpy(np.array(bias))
    return made.requires_grad_(False)


def _spread(layer: Layer) -> Tensor | None:
    """(N, slots): how much of a spike arrives how many steps later; sigma = 0."""
    if layer.recurrence is None:
        return None
    delay = torch.from_numpy(delays(layer.recurrence).astype(np.float32))
    slots = math.ceil(2 + float(delay.max())) + 1
    arrival = torch.arange(slots)[None] - (1 + delay)[:, None]
    return (1 - arrival.abs()).clamp_min(0)
