"""Trainable recurrences: weights, learned delays, and the frozen op that each becomes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from delrec_compile.aliases import F32
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.delay_lines import Mix, spread
from delrec_compile.training.mixes import ConvMix, KernelMix, MatrixMix, PairMix

# weight and delay of a trained recurrence -> the op
Freeze = Callable[[F32, NDArray[Any]], Synapses]


class Recurrent(nn.Module):
    """A recurrence that learns its weight and its delays.

    weight: weight of the mix. delay: in steps, (M, N) for a head and a sending neuron, or (M,) if all
    neurons share them. op: the frozen op of weight and delay. learns: whether the delays learn.
    """

    def __init__(
        self,
        config: TrainConfig,
        mix: Mix,
        weight: Tensor,
        delay: Tensor,
        op: Freeze,
        *,
        learns: bool = True,
    ) -> None:
        super().__init__()
        self.mix, self.op, self.neurons, self.sigma = mix, op, config.hidden, 0.0
        self.max_delay, self.rounds_delays = config.max_delay, bool(config.whole_delays)
        self.weight = nn.Parameter(weight)
        self.delay = nn.Parameter(delay, requires_grad=learns and self.max_delay > 0)
        learns_width = config.spread == "learned" and self.delay.requires_grad
        self.width = nn.Parameter(torch.zeros_like(delay)) if learns_width else None

    def timing(self) -> list[nn.Parameter]:
        """Delays and spreads that still learn."""
        parameters = [p for p in (self.delay, self.width) if p is not None]
        return [p for p in parameters if p.requires_grad]

    def spread_to(self, sigma: float) -> None:
        """Sets the spread of the delays that still learn."""
        self.sigma = sigma if self.delay.requires_grad else 0.0

    def mask(self) -> Tensor:
        """Share (N, M, L) of a spike that arrives l steps later at each head."""
        sigma: float | Tensor = self.sigma
        if self.width is not None and self.sigma:
            sigma = 2 * self.sigma * self.width.sigmoid()
        shares = spread(self.delay, sigma)
        if shares.ndim == 2:
            return shares.expand(self.neurons, -1, -1)
        return shares.transpose(0, 1)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keeps the delays in their range."""
        if self.delay.requires_grad:
            self.delay.clamp_(0, self.max_delay)

    @torch.no_grad()
    def freeze(self) -> None:
        """Takes the frozen form: delays no longer learn and are rounded if configured so; no spread."""
        self.sigma = 0.0
        if self.rounds_delays and self.delay.requires_grad:
            self.delay.round_().clamp_(0, self.max_delay)
        for p in self.timing():
            p.requires_grad_(False)

    def frozen(self) -> Synapses:
        """The recurrence of a frozen network."""
        weight = self.weight.detach().float().numpy().copy()
        delay = self.delay.detach().double().numpy()
        return self.op(weight, np.rint(delay).astype(np.int32) if self.rounds_delays else delay)


def make(config: TrainConfig) -> Recurrent | None:
    """A new recurrence for a layer, or None."""
    return None if config.recurrence == "none" else MAKERS[config.recurrence](config)


def _conv(config: TrainConfig) -> Recurrent:
    weight = _kernel(config.heads, config.kernel, inputs=config.heads * config.kernel)
    return Recurrent(config, KernelMix(), weight, _uniform(config, config.heads), ConvDelay)


def _dense(config: TrainConfig) -> Recurrent:
    weight = nn.init.orthogonal_(torch.empty(config.hidden, config.hidden))
    delay = _uniform(config, 1)
    return Recurrent(config, MatrixMix(), weight, delay, lambda w, d: DenseDelay(w, d[0]))


def _synaptic(config: TrainConfig) -> Recurrent:
    weight = nn.init.orthogonal_(torch.empty(config.hidden, config.hidden))
    return Recurrent(config, PairMix(), weight, _uniform(config, config.hidden), SynapticDelay)


def _tap_conv(config: TrainConfig) -> Recurrent:
    shape = (config.channels, 1, config.hidden // config.channels)
    weight = _kernel(
        config.channels, config.taps, 1, config.kernel, inputs=config.taps * config.kernel
    )
    # 1 to 2 * taps steps, as delays from one step after the spike on
    delay = torch.linspace(0, 2 * config.taps - 1, config.taps).clamp_(0, config.max_delay)
    return Recurrent(
        config,
        ConvMix(shape, apart=True),
        weight,
        delay,
        lambda w, d: TapConvDelay.interpolated(w[:, :, 0].swapaxes(0, 1), d, shape[2]),
    )


def _conv2d(config: TrainConfig) -> Recurrent:
    channels, taps, k = config.channels, config.taps, config.kernel
    shape = (channels, config.height, config.hidden // channels // config.height)
    weight = _kernel(channels, taps * channels, k, k, inputs=taps * channels * k * k)

    def op(w: F32, d: NDArray[Any]) -> Synapses:
        kernels = w.reshape(channels, taps, channels, k, k).swapaxes(0, 1)
        return Conv2dDelay(np.ascontiguousarray(kernels), *shape[1:])

    delay, mix = torch.arange(float(taps)), ConvMix(shape, apart=False)
    return Recurrent(config, mix, weight, delay, op, learns=False)


MAKERS: dict[str, Callable[[TrainConfig], Recurrent]] = {
    "conv": _conv,
    "dense": _dense,
    "synaptic": _synaptic,
    "tap_conv": _tap_conv,
    "conv2d": _conv2d,
}


def _kernel(*shape: int, inputs: int) -> Tensor:
    bound = 1 / math.sqrt(inputs)
    return torch.empty(shape).uniform_(-bound, bound)


def _uniform(config: TrainConfig, heads: int) -> Tensor:
    """Random delays (heads, N); all 0 if max_delay is 0."""
    return torch.empty(heads, config.hidden).uniform_(min(1, config.max_delay), config.max_delay)
