"""What mixes arrivals in the recurrences over maps and over synapses; see `lines.Mix`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from delrec_compile.training.lines import ArrivalMix, Line, Mix, Reverse
from delrec_compile.training.taps import Lags, TapLine, TapReverse


class ConvMix(Mix):
    """Heads are delays that all neurons share; a convolution over maps mixes them.

    weight: (C, D, 1, K) with each channel apart, else (C, D * C, k, k). shape: C, height, width.
    """

    def __init__(self, shape: tuple[int, int, int], *, apart: bool) -> None:
        self.shape, self.apart = shape, apart

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        n, delays, batch = g.shape
        groups = self.shape[0] if self.apart else 1
        split = g.view(*self.shape, delays, batch)
        order = (4, 0, 3, 1, 2) if self.apart else (4, 3, 0, 1, 2)
        maps = split.permute(order).reshape(batch, -1, *self.shape[1:])
        pad = (weight.shape[2] // 2, weight.shape[3] // 2)
        return functional.conv2d(maps, weight, padding=pad, groups=groups).reshape(batch, n).T

    def joined(self, weight: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        """Kernels over maps and over the last steps, as `Lags` takes them."""
        shares = mask[0, :, 1:].flip(1)  # (D, L), the oldest step first
        if self.apart:
            return torch.einsum("cdyx,dl->cyxl", weight, shares)[:, None, :, :, :, None], None
        channels, _, *kernel = weight.shape
        split = weight.view(channels, len(shares), channels, *kernel)
        return torch.einsum("odiyx,dl->oyxli", split, shares)[None], None

    def line(self, weight: Tensor, mask: Tensor | None, like: Tensor) -> Line:
        return TapLine(Lags(weight, self.shape), like)

    def reverse(
        self, weight: Tensor, mask: Tensor | None, like: Tensor, record: tuple[Tensor, ...]
    ) -> Reverse:
        return TapReverse(Lags(weight, self.shape), like, record)


class PairMix(ArrivalMix):
    """A head per receiving neuron: weight (N, N) [to, from], each pair with its own delay."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        return torch.einsum("ij,jib->ib", weight, g)

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return weight.T[:, :, None] * current

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        return torch.einsum("tib,tjib->ij", drive, arrived)
