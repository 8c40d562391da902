"""Augmentation of training samples: blends in a class; stretches and shifts, in time and by channel."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor
from torch.nn import functional

from delrec_compile.data.events import Events
from delrec_compile.training import native
from delrec_compile.training.config import TrainConfig


class Samples:
    """Training samples, padded with silence so that a shift is a slice.

    counts: (n, T, channels) uint8, those of `events`. Every random number comes from `generator`.
    """

    def __init__(self, events: Events, config: TrainConfig, generator: torch.Generator) -> None:
        self.time, self.channel = config.shift_steps, config.shift_channels
        self.duration, self.width = config.stretch_steps, config.stretch_channels
        self.blend, self.generator = config.blend, generator
        self.labels = torch.from_numpy(events.known_labels)
        silence = (self.channel, self.channel, self.time, self.time)
        self.counts = functional.pad(torch.from_numpy(events.counts), silence)
        self.of_class = [
            (self.labels == label).nonzero().flatten()
            for label in range(int(self.labels.max()) + 1)
        ]

    def order(self) -> Tensor:
        """Indices of all samples in random order."""
        return torch.randperm(len(self.labels), generator=self.generator)

    def batch(self, index: Tensor) -> Tensor:
        """The samples at `index`, augmented: (B, T, channels) float32."""
        late, high = self._draws(2 * self.time + 1, index), self._draws(2 * self.channel + 1, index)
        steps = self.counts.shape[1] - 2 * self.time
        channels = self.counts.shape[2] - 2 * self.channel
        padded = self._blended(index) if self.blend else self.counts[index]
        if self.duration:
            padded = self._stretched(padded, self.duration, self.time)
        if self.width:
            along = padded.transpose(1, 2)
            padded = self._stretched(along, self.width, along.shape[1] / 2).transpose(1, 2)
        return torch.stack(
            [
                one[t : t + steps, c : c + channels]
                for one, t, c in zip(padded, late.tolist(), high.tolist(), strict=True)
            ]
        ).float()

    def _draws(self, below: int, index: Tensor) -> Tensor:
        return torch.randint(below, (len(index),), generator=self.generator)

    def _blended(self, index: Tensor) -> Tensor:
        """The samples at `index`, a share of them mixed with another of their class spike by spike."""
        out = self.counts[index].float()
        chosen = torch.rand(len(index), generator=self.generator) < self.blend
        for place in chosen.nonzero().flatten().tolist():
            same = self.of_class[int(self.labels[index[place]])]
            other = self.counts[same[torch.randint(len(same), (1,), generator=self.generator)]]
            pair = torch.stack([out[place], _aligned(other[0].float(), out[place])])
            half = torch.full_like(pair, 0.5)
            out[place] = torch.binomial(pair, half, generator=self.generator).sum(0)
        return out

    def _stretched(self, samples: Tensor, share: float, still: float) -> Tensor:
        """Samples (B, L, M), each by a factor of its own along L; what leaves L is lost.

        share: largest change of the factor. still: the place that does not move. Rows of M are rounded
        apart, so that no place is empty in all of them.
        """
        size, length, rows = samples.shape
        factors = 1 + share * (2 * torch.rand(size, 1, 1, generator=self.generator) - 1)
        rounding = torch.rand(size, 1, rows, generator=self.generator)
        out = torch.zeros(size, length, rows)
        values = samples.float().contiguous()
        if native.takes(values, rounding):
            shape = (size, length, rows)
            own = ctypes.c_float(still)
            native.call("stretch", *shape, own, factors, rounding, values, out)
            return out
        place = torch.arange(length)[:, None] + 0.5 - still
        to = (place * factors + still - 0.5 + rounding).floor().long()
        inside = (to >= 0) & (to < length)
        return out.scatter_add_(1, to.clamp(0, length - 1), values * inside)


def _aligned(sample: Tensor, to: Tensor) -> Tensor:
    """`sample` (T, channels) moved in time so that its centre of mass lies on that of `to`."""
    late = round(_centre(to) - _centre(sample))
    moved = torch.zeros_like(sample)
    if late >= 0:
        moved[late:] = sample[: len(sample) - late]
    else:
        moved[:late] = sample[-late:]
    return moved


def _centre(sample: Tensor) -> float:
    weight = sample.sum(1)
    return float((weight * torch.arange(len(weight))).sum() / weight.sum().clamp_min(1))
