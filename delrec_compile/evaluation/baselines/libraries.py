"""The frozen network in SpikingJelly and snnTorch: their neurons, with the recurrence in PyTorch.

Neither library has a delay per neuron, so the delay line is written here, as a window over the
spikes of all steps.
"""

from __future__ import annotations

import importlib
import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from delrec_compile.aliases import F32
from delrec_compile.errors import ToolchainError, UnsupportedError
from delrec_compile.evaluation.baselines.authors import linear
from delrec_compile.evaluation.baselines.baseline import (
    Baseline,
    Workload,
    basic_lif,
    delays,
    leak_over_time,
    recurrent_weight,
)
from delrec_compile.evaluation.baselines.functional import rows
from delrec_compile.network.model import ConvDelay, Layer, Network
from delrec_compile.system.extras import install

INSTALL_HINT = install("bench")


class Library(Baseline):
    """Neurons of a library between linear layers. Subclasses make, reset and call the neurons.

    whole_time: whether a neuron takes all steps in one call.
    """

    whole_time = False

    def __init__(self, network: Network, work: Workload) -> None:
        self.work, self.net = work, network
        self.form = "step by step"
        if work.hoists:
            self.form = "products over time" + (", multi-step neurons" if self.whole_time else "")
        self.feeds = [linear(layer.weight, layer.bias) for layer in network.layers]
        self.neurons = [self.neuron(layer) for layer in network.layers]
        self.lines = [_Line(layer, work) if layer.recurrence else None for layer in network.layers]
        self.out = linear(network.readout.weight, network.readout.bias)
        self.leak = torch.from_numpy(leak_over_time(network.readout.beta, work.steps))
        self.x = self.y = torch.empty(0)

    @abstractmethod
    def neuron(self, layer: Layer) -> Any: ...

    @abstractmethod
    def fire(self, neuron: Any, current: Tensor) -> Tensor:
        """current: (batch, N), or (T, batch, N) where whole_time."""

    @abstractmethod
    def fresh(self, neuron: Any) -> None: ...

    def take(self, x: F32) -> None:
        self.x = rows(x)

    @torch.inference_mode()
    def run(self) -> None:
        for neuron in self.neurons:
            self.fresh(neuron)
        self.y = self._over_time(self.x) if self.work.hoists else self._by_step(self.x)

    def _over_time(self, x: Tensor) -> Tensor:
        for feed, neuron, line in zip(self.feeds, self.neurons, self.lines, strict=True):
            currents = feed(x)
            if line is None and self.whole_time:
                x = self.fire(neuron, currents)
            else:
                x = torch.stack(
                    [self._step(neuron, line, c, t) for t, c in enumerate(currents.unbind())]
                )
        out: Tensor = self.out(x)
        return (self.leak @ out.flatten(1)).view(out.shape)

    def _by_step(self, x: Tensor) -> Tensor:
        y, ys = torch.zeros(self.work.batch, self.out.out_features), []
        for t, z in enumerate(x):
            for feed, neuron, line in zip(self.feeds, self.neurons, self.lines, strict=True):
                z = self._step(neuron, line, feed(z), t)
            y = y * self.net.readout.beta + self.out(z)
            ys.append(y)
        return torch.stack(ys)

    def _step(self, neuron: Any, line: _Line | None, current: Tensor, t: int) -> Tensor:
        if line is None:
            return self.fire(neuron, current)
        spikes = self.fire(neuron, current + line.arriving(t))
        line.past[line.depth + t] = spikes
        return spikes

    def read(self) -> F32:
        return self.y.numpy()


class _Line:
    """A delay line and what mixes its arrivals. past: (depth + T, batch, N)."""

    def __init__(self, layer: Layer, work: Workload) -> None:
        r = layer.recurrence
        assert r is not None
        self.depth, n = r.depth, r.size
        self.past = torch.zeros(r.depth + work.steps, work.batch, n)
        self.row = torch.from_numpy(r.depth - 1 - delays(r).astype(np.int64))
        self.column = torch.arange(n)
        weight = torch.from_numpy(recurrent_weight(r).copy())
        self.weight = weight[None, None] if isinstance(r, ConvDelay) else weight

    def arriving(self, t: int) -> Tensor:
        g = self.past[self.row + t, :, self.column].T
        if self.weight.ndim == 3:
            pad = self.weight.shape[2] // 2
            return functional.conv1d(g[:, None], self.weight, padding=pad)[:, 0]
        return functional.linear(g, self.weight)


class SpikingJelly(Library):
    """LIFNode; layers without recurrence take all steps at once."""

    name = "spikingjelly"

    def __init__(self, network: Network, work: Workload) -> None:
        self.whole_time = work.hoists
        self.lif_node = _module("spikingjelly.activation_based.neuron").LIFNode
        super().__init__(network, work)

    def neuron(self, layer: Layer) -> Any:
        lif = basic_lif(layer.lif)
        if not 0.0 < lif.beta < 1.0:
            raise UnsupportedError("SpikingJelly's LIFNode needs a leak between 0 and 1")
        many = self.whole_time and layer.recurrence is None
        return self.lif_node(
            tau=1.0 / (1.0 - lif.beta),
            decay_input=False,
            v_threshold=lif.threshold,
            v_reset=lif.v_reset,
            step_mode="m" if many else "s",
        ).eval()

    def fire(self, neuron: Any, current: Tensor) -> Tensor:
        return _tensor(neuron(current))

    def fresh(self, neuron: Any) -> None:
        neuron.reset()


class SnnTorch(Library):
    """Leaky, reset to zero at once."""

    name = "snntorch"

    def __init__(self, network: Network, work: Workload) -> None:
        self.leaky = _module("snntorch").Leaky
        super().__init__(network, work)

    def neuron(self, layer: Layer) -> Any:
        lif = basic_lif(layer.lif)
        if lif.v_reset != 0:
            raise UnsupportedError("snnTorch's Leaky resets to zero only")
        # it fires above the threshold, this network at it
        below = float(np.nextafter(np.float32(lif.threshold), np.float32(-np.inf)))
        made: nn.Module = self.leaky(
            beta=lif.beta, threshold=below, reset_mechanism="zero", reset_delay=False
        )
        return made.eval()

    def fire(self, neuron: Any, current: Tensor) -> Tensor:
        return _tensor(neuron(current)[0])

    def fresh(self, neuron: Any) -> None:
        neuron.mem = torch.zeros(0)


def _tensor(value: Any) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def _module(name: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the library itself calls when imported
            return importlib.import_module(name)
    except ImportError as error:
        raise ToolchainError(f"{name.split('.')[0]} is not installed; {INSTALL_HINT}") from error


def spikingjelly(network: Network, work: Workload) -> list[Baseline]:
    """The form of `spikingjelly`."""
    return [SpikingJelly(network, work)]


def snntorch(network: Network, work: Workload) -> list[Baseline]:
    """The form of `snntorch`."""
    return [SnnTorch(network, work)]
