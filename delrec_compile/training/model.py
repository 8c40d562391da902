"""The trainable network: spiking layers, some with delayed recurrence, and a readout.

Linear + BatchNorm + LIF, the last layer or all of them recurrent, then Linear + leaky integrator:
the network of DelRec (arXiv 2509.24852) on the Heidelberg digits. Time first: (T, B, features) for the
network, (T, N, B) for its layers, which compute a step after the other.
Convolutional layers may come first: Conv + BatchNorm + LIF. In place of LIF, the models of `dynamics`;
what comes into a layer may be delayed, as in DCLS: `forward`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from delrec_compile.errors import UsageError
from delrec_compile.network.model import Maps
from delrec_compile.ops.readout import pooled
from delrec_compile.training import forward, frontend, recurrent
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.constants import NeuronConstants, of_lif
from delrec_compile.training.forward import ForwardDelay, arriving, axonal
from delrec_compile.training.neuron import Neuron, delayed_lif
from delrec_compile.training.norm import SeriesNorm
from delrec_compile.training.timed import Timed
from delrec_compile.training.unrolled import unrolled


class SpikingLayer(nn.Module):
    """Linear, or convolution over `maps`; BatchNorm over (T, B) and the places of a map; the neurons.

    recurs: whether it has a delayed recurrence. first: whether the inputs come into it. Where the config
    says so, what comes in is delayed: `forward`.
    """

    def __init__(
        self,
        inputs: int,
        config: TrainConfig,
        recurs: bool,
        maps: Maps | None = None,
        *,
        first: bool = False,
    ) -> None:
        super().__init__()
        n = config.hidden if maps is None else maps.size
        self.config, self.maps = config, maps
        delay = forward.make(config, inputs, n, first=first, maps=maps is not None)
        self.linear = _linear(inputs, n, delay) if maps is None else _convolution(maps)
        nn.init.kaiming_uniform_(self.linear.weight, nonlinearity="relu")
        self.norm = SeriesNorm(n) if maps is None else nn.BatchNorm1d(maps.out[0])
        self.recurrent = recurrent.make(config) if recurs else None
        self.delay = delay
        learned = nn.Parameter(torch.full((n, 1), config.beta))
        self.beta = learned if config.betas == "learned" else None
        self.constants = None if config.neuron == "lif" else NeuronConstants(config, n)

    def neuron(self) -> Neuron:
        """The constants of the layer's LIF neurons; a learned beta stays between 0 and 1."""
        c = self.config
        beta = c.beta if self.beta is None else self.beta.clamp(0, 1)
        gain = 1.0 if c.gain == "one" else 1.0 - c.beta
        return Neuron(beta, c.threshold, c.v_reset, gain, c.fires, c.reset, c.surrogate, c.backflow)

    def forward(self, x: Tensor) -> Tensor:
        """Spikes (T, N, B) of inputs x (T, inputs, B)."""
        drive = self._drive(x)
        r = self.recurrent
        weight, mask, mix = (None, None, None) if r is None else (r.weight, r.mask(), r.mix)
        alpha = self.config.alpha
        if self.constants is None and self.training:
            return delayed_lif(drive, self.neuron(), weight, mask, mix, alpha)
        dynamics, constants = (
            of_lif(self.neuron(), drive)
            if self.constants is None
            else (self.constants.dynamics, self.constants.tensors())
        )
        return unrolled(drive, dynamics, constants, weight, mask, mix, alpha)

    def _drive(self, x: Tensor) -> Tensor:
        """What comes in, after BatchNorm: (T, N, B)."""
        m = self.maps
        if m is None:
            current = arriving(x, self.linear.weight, self.linear.bias, self.delay)
            normed: Tensor = self.norm(current)
            return normed
        x = x if self.delay is None else axonal(x, self.delay.lags())
        samples = x.transpose(1, 2).reshape(-1, m.channels, m.height, m.width)
        # places of a map lie along the last axis, where BatchNorm takes them as more samples
        maps: Tensor = self.norm(self.linear(samples).flatten(2))
        return maps.view(len(x), -1, m.size).transpose(1, 2).contiguous()


def _linear(inputs: int, n: int, delay: ForwardDelay | None) -> nn.Linear:
    heads = 1 if delay is None or delay.synaptic else len(delay.delay)
    return nn.Linear(heads * inputs, n)


def _convolution(maps: Maps) -> nn.Conv2d:
    outputs, _, rows, columns = maps.kernel
    return nn.Conv2d(maps.channels, outputs, (rows, columns), maps.stride, maps.pad)


class SpikingNet(nn.Module):
    """Counts (T, B, channels) -> readout membrane (T, B, classes)."""

    def __init__(self, channels: int, classes: int, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList()
        inputs = channels
        for maps in frontend.layers(config.frontend, channels, config.frontend_height):
            first = not self.layers
            self.layers.append(SpikingLayer(inputs, config, False, maps, first=first))
            inputs = maps.size
        for i in range(config.layers):
            recurs, first = config.recurs(i), not self.layers
            self.layers.append(SpikingLayer(inputs, config, recurs, first=first))
            inputs = config.hidden
        learns = config.readout != "pool"
        self.delay = forward.make(config, inputs, classes, first=False) if learns else None
        self.readout = _linear(inputs, classes, self.delay)
        if config.readout == "pool":
            self.readout.weight.data = torch.from_numpy(pooled(classes, config.hidden))
            self.readout.bias.data = torch.zeros(classes)
            self.readout.requires_grad_(False)
        else:
            nn.init.kaiming_uniform_(self.readout.weight, nonlinearity="relu")
        if config.forward != "none" and not any(isinstance(r, ForwardDelay) for r in self.timed()):
            raise UsageError(
                f"forward is '{config.forward}' and forward_layers '{config.forward_layers}': nothing "
                "here takes such delays; use forward_layers=all"
            )

    def forward(self, x: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """Outputs (T, B, classes) of counts x (T, B, channels).

        seen: a list that receives the spikes (T, B, N) of each layer.
        """
        x = x.transpose(1, 2).contiguous()
        for layer in self.layers:
            spikes = layer(x)
            if seen is not None:
                seen.append(spikes.transpose(1, 2))
            x = self._drop(spikes)
        return self._outputs(x).transpose(1, 2)

    def _outputs(self, x: Tensor) -> Tensor:
        """Outputs (T, classes, B) of the last layer's spikes x (T, N, B)."""
        weight, bias = self.readout.weight, self.readout.bias
        if self.config.readout in ("count", "pool"):
            return arriving(x, weight, None, self.delay).cumsum(0) + bias[:, None]
        current = arriving(x, weight, bias, self.delay)
        if self.config.readout == "linear":
            return current
        # v(t) = beta v(t-1) + current(t), as one product over time
        steps = torch.arange(len(x), dtype=current.dtype, device=current.device)
        age = steps[:, None] - steps[None]
        leak = torch.where(age >= 0, self.config.beta ** age.clamp_min(0), 0.0)
        return torch.einsum("ts,scb->tcb", leak, current)

    def _drop(self, spikes: Tensor) -> Tensor:
        """Spikes (T, N, B), those of dropped neurons left out."""
        if not self.training or self.config.dropout == 0:
            return spikes
        keep = torch.ones_like(spikes[0])
        return spikes * nn.functional.dropout(keep, self.config.dropout)

    def recurrences(self) -> list[recurrent.Recurrent]:
        """Recurrences of the layers that have one."""
        return [m for m in self.modules() if isinstance(m, recurrent.Recurrent)]

    def timed(self) -> list[Timed]:
        """Everything that has delays, forward and recurrent."""
        return [m for m in self.modules() if isinstance(m, Timed)]

    def timing(self) -> list[nn.Parameter]:
        """Delays and spreads that still learn."""
        return [p for r in self.timed() for p in r.timing()]

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the delays and their spreads."""
        timing = {id(p) for r in self.timed() for p in (r.delay, r.width)}
        return [p for p in self.parameters() if id(p) not in timing]

    def spread_to(self, sigma: float) -> None:
        """Sets the spread of all delays that still learn."""
        for r in self.timed():
            r.spread_to(sigma)

    def clamp_delays(self) -> None:
        """Keeps all delays in their range."""
        for r in self.timed():
            r.clamp()

    def clamp_constants(self) -> None:
        """Keeps the learned constants of the neurons in their range."""
        for layer in self.layers:
            if isinstance(layer, SpikingLayer) and layer.constants is not None:
                layer.constants.clamp()

    def freeze_delays(self) -> None:
        """Gives everything that has delays its frozen form."""
        for r in self.timed():
            r.freeze()

    @property
    def sigma(self) -> float:
        """Present spread of the delays."""
        return max((r.sigma for r in self.timed()), default=0.0)


def class_scores(y: Tensor, decision: str = "softmax_sum") -> Tensor:
    """Scores (B, classes) of outputs (T, B, classes), weighted as in `ops.readout.decide`."""
    if decision == "softmax_sum":
        return torch.softmax(y, 2).sum(0)
    if decision == "last":
        return y[-1]
    return y.amax(0) if decision == "max" else y.sum(0) if decision == "sum" else y.mean(0)
