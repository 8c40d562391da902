"""What mixes arrivals in the recurrences over maps and over synapses; see `lines.Mix`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight


class ConvMix:
    """Heads are delays that all neurons share; a convolution over maps mixes them.

    weight: (C, D, 1, K) with each channel apart, else (C, D * C, k, k). shape: C, height, width.
    """

    def __init__(self, shape: tuple[int, int, int], *, apart: bool) -> None:
        self.shape, self.apart = shape, apart
        self.groups = shape[0] if apart else 1

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        maps = self._maps(g[None])
        mixed = functional.conv2d(maps, weight, padding=_pad(weight), groups=self.groups)
        return mixed.flatten(1).T

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        maps = current.T.reshape(-1, *self.shape)
        out = functional.conv_transpose2d(maps, weight, padding=_pad(weight), groups=self.groups)
        channels, height, width = self.shape
        if self.apart:
            heads = out.view(len(out), channels, -1, height, width).permute(1, 3, 4, 2, 0)
        else:
            heads = out.view(len(out), -1, channels, height, width).permute(2, 3, 4, 1, 0)
        return heads.reshape(len(current), -1, len(out))

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        out = drive.transpose(1, 2).reshape(-1, *self.shape)
        maps = self._maps(arrived)
        return conv2d_weight(  # type: ignore[no-untyped-call,no-any-return]
            maps, weight.shape, out, padding=_pad(weight), groups=self.groups
        )

    def _maps(self, g: Tensor) -> Tensor:
        """(T, N, D, B) -> (T * B, channels and delays, height, width)."""
        steps, _, delays, batch = g.shape
        split = g.view(steps, *self.shape, delays, batch)
        order = (0, 5, 1, 4, 2, 3) if self.apart else (0, 5, 4, 1, 2, 3)
        return split.permute(order).reshape(steps * batch, -1, *self.shape[1:])


class PairMix:
    """A head per receiving neuron: weight (N, N) [to, from], each pair with its own delay."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        return torch.einsum("ij,jib->ib", weight, g)

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return weight.T[:, :, None] * current

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        return torch.einsum("tib,tjib->ij", drive, arrived)


def _pad(weight: Tensor) -> tuple[int, int]:
    return weight.shape[2] // 2, weight.shape[3] // 2
