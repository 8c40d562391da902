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
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.delay_lines import Mix
from delrec_compile.training.mixes import ChannelMix, ConvMix, KernelMix, MatrixMix, PairMix
from delrec_compile.training.timed import Timed

# weight and delay of a trained recurrence -> the op
Freeze = Callable[[F32, NDArray[Any]], Synapses]


class Recurrent(Timed):
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
        super().__init__(config, delay, config.max_delay, learns=learns)
        self.mix, self.op, self.neurons = mix, op, config.hidden
        self.weight = nn.Parameter(weight)

    def mask(self) -> Tensor:
        """Share (N, M, L) of a spike that arrives l steps later at each head."""
        shares = self.shares()
        if shares.ndim == 2:
            return shares.expand(self.neurons, -1, -1)
        return shares.transpose(0, 1)

    def frozen(self) -> Synapses:
        """The recurrence of a frozen network."""
        return self.op(self.weight.detach().float().numpy().copy(), self.frozen_delay())


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


def _channel_conv(config: TrainConfig) -> Recurrent:
    channels, k, dilation = config.channels, config.kernel, config.dilation
    mix = ChannelMix(circular=config.edges == "circular", dilation=dilation)
    if config.init == "orthogonal":
        weight = _orthogonal(channels, k, mix, config.hidden)
    else:
        weight = _kernel(channels, channels, k, inputs=channels * k)

    def op(w: F32, d: NDArray[Any]) -> Synapses:
        return ChannelConvDelay(w, d[0], dilation=(1, dilation), edges=config.edges)

    return Recurrent(config, mix, weight, _uniform(config, 1), op)


MAKERS: dict[str, Callable[[TrainConfig], Recurrent]] = {
    "conv": _conv,
    "dense": _dense,
    "synaptic": _synaptic,
    "tap_conv": _tap_conv,
    "conv2d": _conv2d,
    "channel_conv": _channel_conv,
}


def _kernel(*shape: int, inputs: int) -> Tensor:
    bound = 1 / math.sqrt(inputs)
    return torch.empty(shape).uniform_(-bound, bound)


def _orthogonal(channels: int, taps: int, mix: ChannelMix, neurons: int) -> Tensor:
    """A kernel (C, C, K) whose rows are orthogonal, divided by the norm of its map between neurons.

    No input of the map then grows: as with the orthogonal matrix of `dense`, its largest singular value
    is 1.
    """
    weight = nn.init.orthogonal_(torch.empty(channels, channels * taps))
    weight = weight.view(channels, channels, taps)
    matrix = mix.forward(weight, torch.eye(neurons)[:, None])
    return weight / float(torch.linalg.matrix_norm(matrix, 2))


def _uniform(config: TrainConfig, heads: int) -> Tensor:
    """Random delays (heads, N); all 0 if max_delay is 0."""
    return torch.empty(heads, config.hidden).uniform_(min(1, config.max_delay), config.max_delay)
