"""The trainable recurrences: weights, learned delays, and the frozen op that each becomes."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from delrec_compile.network import ConvDelay, DenseDelay, Recurrence
from delrec_compile.training.config import TrainConfig
from delrec_compile.training.lines import KernelMix, MatrixMix, Mix, spread


class AxonalRecurrent(nn.Module):
    """One learned delay per head and sending neuron: `conv_delay` and `dense_delay`.

    weight: of the mix. delay: (M, N) in steps; all 0 and fixed where config.max_delay is 0.
    """

    def __init__(self, config: TrainConfig, mix: Mix, weight: Tensor, heads: int) -> None:
        super().__init__()
        self.mix, self.max_delay, self.sigma = mix, config.max_delay, 0.0
        self.weight = nn.Parameter(weight)
        delay = torch.empty(heads, config.hidden).uniform_(min(1, self.max_delay), self.max_delay)
        self.delay = nn.Parameter(delay, requires_grad=self.max_delay > 0)

    def spread_to(self, sigma: float) -> None:
        """Sets the spread of the delays that still learn."""
        self.sigma = sigma if self.delay.requires_grad else 0.0

    def mask(self) -> Tensor:
        """(N, M, L): the share of a spike that arrives l steps later at each head."""
        return spread(self.delay, self.sigma).transpose(0, 1)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keeps the delays in their range."""
        self.delay.clamp_(0, self.max_delay)

    @torch.no_grad()
    def freeze(self) -> None:
        """The frozen form: whole delays that no longer move, no spread."""
        self.sigma = 0.0
        self.delay.round_().clamp_(0, self.max_delay)
        self.delay.requires_grad_(False)

    def frozen(self) -> Recurrence:
        """The op of a frozen network."""
        weight = self.weight.detach().float().numpy().copy()
        delay = np.rint(self.delay.detach().double().numpy()).astype(np.int32)
        if isinstance(self.mix, MatrixMix):
            return DenseDelay(weight, delay[0])
        return ConvDelay(weight, delay)


def make(config: TrainConfig) -> AxonalRecurrent | None:
    """The recurrence of a layer, or None."""
    n, shape = config.hidden, (config.heads, config.kernel)
    if config.recurrence == "none":
        return None
    if config.recurrence == "dense":
        return AxonalRecurrent(config, MatrixMix(), nn.init.orthogonal_(torch.empty(n, n)), 1)
    bound = 1 / math.sqrt(config.heads * config.kernel)
    weight = torch.empty(shape).uniform_(-bound, bound)
    return AxonalRecurrent(config, KernelMix(), weight, config.heads)
