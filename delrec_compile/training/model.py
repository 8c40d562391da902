"""The trainable network: two spiking layers, the second with delayed recurrence, and a readout.

Linear + BatchNorm + LIF, Linear + BatchNorm + recurrent LIF, Linear + leaky integrator: the
network of DelRec (arXiv 2509.24852) on the Heidelberg digits. Time first: (T, B, features).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from delrec_compile.training.config import TrainConfig
from delrec_compile.training.neuron import delayed_lif, spread


class SpikingLayer(nn.Module):
    """Linear, BatchNorm over (T, B), LIF, with a delayed recurrence if `recurrence` is not "none".

    recurrent: (K,) or (N, N) [to, from], or None. delay: (N,) in steps, or None. Several heads: (M, K)
    and (M, N). sigma: spread of the delays.
    """

    def __init__(self, inputs: int, config: TrainConfig, recurrence: str) -> None:
        super().__init__()
        n, heads = config.hidden, (config.heads,) if config.heads > 1 else ()
        self.beta, self.alpha, self.max_delay = config.beta, config.alpha, config.max_delay
        self.kind, self.sigma = recurrence, 0.0
        self.linear = nn.Linear(inputs, n)
        nn.init.kaiming_uniform_(self.linear.weight, nonlinearity="relu")
        self.norm = nn.BatchNorm1d(n)
        self.recurrent: nn.Parameter | None = None
        self.delay: nn.Parameter | None = None
        if recurrence == "none":
            return
        if recurrence == "dense":
            self.recurrent = nn.Parameter(nn.init.orthogonal_(torch.empty(n, n)))
        else:
            bound = 1 / math.sqrt(config.kernel * config.heads)
            shape = (*heads, config.kernel)
            self.recurrent = nn.Parameter(torch.empty(shape).uniform_(-bound, bound))
        self.delay = nn.Parameter(
            torch.empty(*heads, n).uniform_(min(1, config.max_delay), config.max_delay)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, inputs) -> spikes (T, B, N)."""
        steps, batch, _ = x.shape
        drive = self.norm(self.linear(x.reshape(steps * batch, -1))).view(steps, batch, -1)
        mask = None if self.delay is None else spread(self.delay, self.sigma)
        drive = drive.transpose(1, 2).contiguous()
        return delayed_lif(drive, self.recurrent, mask, self.beta, self.alpha).transpose(1, 2)

    @torch.no_grad()
    def clamp_delays(self) -> None:
        if self.delay is not None:
            self.delay.clamp_(0, self.max_delay)

    @torch.no_grad()
    def freeze_delays(self) -> None:
        """The frozen form: whole delays that no longer move, no spread."""
        self.sigma = 0.0
        if self.delay is not None:
            self.delay.round_().clamp_(0, self.max_delay)
            self.delay.requires_grad_(False)


class SpikingNet(nn.Module):
    """Counts (T, B, channels) -> readout membrane (T, B, classes)."""

    def __init__(self, channels: int, classes: int, config: TrainConfig) -> None:
        super().__init__()
        self.config = config
        self.first = SpikingLayer(channels, config, "none")
        self.second = SpikingLayer(config.hidden, config, config.recurrence)
        self.readout = nn.Linear(config.hidden, classes)
        nn.init.kaiming_uniform_(self.readout.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        hidden = self._drop(self.first(x))
        current = self.readout(self._drop(self.second(hidden)))
        # v(t) = beta v(t-1) + current(t), as one product over time
        steps = torch.arange(len(x), dtype=current.dtype)
        age = steps[:, None] - steps[None]
        leak = torch.where(age >= 0, self.config.beta ** age.clamp_min(0), 0.0)
        return torch.einsum("ts,sbc->tbc", leak, current)

    def _drop(self, spikes: Tensor) -> Tensor:
        if not self.training or self.config.dropout == 0:
            return spikes
        keep = torch.ones(spikes.shape[1:], dtype=spikes.dtype)
        return spikes * nn.functional.dropout(keep, self.config.dropout)

    def delays(self) -> list[nn.Parameter]:
        """Delays that still learn."""
        delay = self.second.delay
        return [delay] if delay is not None and delay.requires_grad else []

    def weights(self) -> list[nn.Parameter]:
        """All parameters but the delays."""
        return [p for p in self.parameters() if p is not self.second.delay]


def class_scores(membrane: Tensor) -> Tensor:
    """(T, B, classes) -> (B, classes): the softmax of each step, summed over time."""
    return torch.softmax(membrane, 2).sum(0)
