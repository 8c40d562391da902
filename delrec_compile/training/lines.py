"""Delay lines of the trainable layers, forwards and backwards, and what mixes their arrivals.

    g[j, m](t) = sum_l mask[j, m, l] * y[j](t - l)       the delay line of head m, l >= 1
    current(t) = mix(weight, g(t))                       linear in both

`mask` is the triangle of DelRec (arXiv 2509.24852): a delay is learned through the share of a
spike that each later step receives. The published order mixes all slots of a spike and scatters
them into a ring of future currents. Mixing is linear, so delaying first and mixing once gives the
same numbers for a fraction of the work: one slot in place of L.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


def spread(delay: Tensor, sigma: float) -> Tensor:
    """delay (...) in steps -> mask (..., L): the share of a spike that arrives l steps later.

    A triangle around 1 + delay of half-width 1 + sigma; one-hot at sigma 0 and whole delays.
    """
    width = 1.0 + sigma
    slots = math.ceil(1 + float(delay.detach().max()) + width) + 1
    after = torch.arange(slots, dtype=delay.dtype)
    distance = (after - (1 + delay)[..., None]).abs()
    return (width - distance).clamp_min(0) / width**2


class Mix(Protocol):
    """A map from arrived spikes g (N, M, B) to currents (N, B), linear in g and in its weight."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor: ...

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        """(N, B) -> (N, M, B): the map transposed."""

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        """Of the weight, from drive (T, N, B) and arrived (T, N, M, B)."""


class MatrixMix:
    """weight: (N, N) [to, from]; one head."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        return weight @ g[:, 0]

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return (weight.T @ current).unsqueeze(1)

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        return torch.bmm(drive, arrived[:, :, 0].transpose(1, 2)).sum(0)


class KernelMix:
    """weight: (M, K), a kernel over the neurons per head, K odd."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        current = _convolved(weight[0], g[:, 0])
        for m in range(1, len(weight)):
            current += _convolved(weight[m], g[:, m])
        return current

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return torch.stack([_convolved(kernel.flip(0), current) for kernel in weight], 1)

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        pad, n = weight.shape[1] // 2, drive.shape[1]
        taps = []
        for m in range(len(weight)):
            for k in range(weight.shape[1]):
                to, come_from = _shifted(n, k - pad)
                taps.append((drive[:, to] * arrived[:, come_from, m]).sum())
        return torch.stack(taps).view_as(weight)


def _shifted(n: int, offset: int) -> tuple[slice, slice]:
    """(to, from): rows i and i + offset where both are in 0..n-1."""
    return slice(max(-offset, 0), n - max(offset, 0)), slice(max(offset, 0), n - max(-offset, 0))


def _convolved(kernel: Tensor, g: Tensor) -> Tensor:
    """(N, B) through a kernel (K,) over the neurons."""
    pad = len(kernel) // 2
    current = kernel[pad] * g
    for k in range(len(kernel)):
        if k != pad:
            to, come_from = _shifted(len(g), k - pad)
            current[to].addcmul_(g[come_from], kernel[k])
    return current


class DelayLine:
    """What has been sent, and what has arrived, of every neuron.

    Row t + L of `sent` (N, T + L, B) holds y(t), so a delay window is one contiguous block.
    mask: (N, M, L). arrived: (T, N, M, B) = g.
    """

    def __init__(self, mix: Mix, weight: Tensor, mask: Tensor, like: Tensor) -> None:
        steps, n, batch = like.shape
        self.mix, self.weight, self.slots = mix, weight, mask.shape[2]
        self.window = mask[:, :, 1:].flip(2).contiguous()
        self.sent = like.new_zeros(n, steps + self.slots, batch)
        self.arrived = like.new_empty(steps, n, mask.shape[1], batch)

    def current(self, t: int) -> Tensor:
        """(N, B) recurrent current at t."""
        g = self.arrived[t]
        torch.bmm(self.window, self.sent[:, t + 1 : t + self.slots], out=g)
        return self.mix.forward(self.weight, g)

    def send(self, t: int, y: Tensor) -> None:
        self.sent[:, t + self.slots] = y


class ReverseLine:
    """The delay line run backwards; row t of `heads` (N, M, T + L, B) holds dL/dg(t)."""

    def __init__(self, mix: Mix, weight: Tensor, mask: Tensor, like: Tensor) -> None:
        steps, n, batch = like.shape
        self.mix, self.weight, self.slots = mix, weight, mask.shape[2]
        self.window = mask[:, :, 1:].reshape(n, 1, -1).contiguous()
        self.heads = like.new_zeros(n, mask.shape[1], steps + self.slots, batch)

    def spike_gradient(self, t: int) -> Tensor:
        """(N, B) dL/dy(t) from the steps at which y(t) arrives."""
        later = self.heads[:, :, t + 1 : t + self.slots]
        return torch.bmm(self.window, later.reshape(len(later), -1, later.shape[3])).squeeze(1)

    def receive(self, t: int, drive: Tensor) -> None:
        self.heads[:, :, t] = self.mix.back(self.weight, drive)

    def mask_gradient(self, sent: Tensor) -> Tensor:
        """dL/dmask[j, m, l] = sum over t, b of y[j](t - l) * dL/dg[j, m](t).

        One product over the batch holds every pair of steps; the sums run along its diagonals.
        """
        n, rows, _ = sent.shape
        steps = rows - self.slots
        parts = []
        for m in range(self.heads.shape[1]):
            back = self.heads[:, m, :steps].transpose(1, 2)
            product = torch.bmm(sent, back).contiguous()  # (N, T + L, T)
            strides = (product.stride(0), steps, steps + 1)
            diagonals = product.as_strided((n, self.slots + 1, steps), strides)  # [j, L - l, t]
            gradient = diagonals[:, 1:].sum(2).flip(1)
            gradient[:, 0] = 0
            parts.append(gradient)
        return torch.stack(parts, 1)
