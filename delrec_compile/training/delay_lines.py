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
from abc import ABC, abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from delrec_compile.training import native

NARROWEST = 0.27  # deviation of a bell, in steps, where sigma is 0
CHUNK = 16  # steps in one product of the mask's gradient


def spread(delay: Tensor, sigma: float | Tensor, form: str = "triangle") -> Tensor:
    """delay (...) in steps -> mask (..., L): the share of a spike that arrives l steps later.

    A triangle around 1 + delay of half-width 1 + sigma; one-hot at sigma 0 and whole delays.
    sigma: one for all, or of the shape of delay. form: "gauss" for the bell of DCLS (arXiv 2306.17670),
    of deviation sigma + 0.27 and of sum 1; without any spread a triangle too.
    """
    each = sigma[..., None] if isinstance(sigma, Tensor) else sigma
    gauss = form == "gauss" and (isinstance(sigma, Tensor) or sigma > 0)
    width = each + (NARROWEST if gauss else 1.0)
    widest = float(width.detach().max()) if isinstance(width, Tensor) else width
    slots = math.ceil(1 + float(delay.detach().max()) + widest * (3 if gauss else 1)) + 1
    after = torch.arange(slots, dtype=delay.dtype, device=delay.device)
    distance = (after - (1 + delay)[..., None]).abs()
    if not gauss:
        return (width - distance).clamp_min(0) / width**2
    bell = torch.exp(-0.5 * (distance / width) ** 2) * (after > 0)
    return bell / bell.sum(-1, keepdim=True)


class Line(Protocol):
    """Delay line run forwards: takes spikes and gives currents, step by step."""

    @property
    def record(self) -> tuple[Tensor, ...]:
        """Tensors that the backward pass needs."""

    def current(self, t: int) -> Tensor:
        """Recurrent current (N, B) at t."""

    def send(self, t: int, y: Tensor) -> None:
        """Takes the spikes y (N, B) of step t."""


class Reverse(Protocol):
    """Delay line run backwards, from the last step."""

    def spike_gradient(self, t: int) -> Tensor:
        """dL/dy(t) (N, B) from the steps at which y(t) arrives."""

    def receive(self, t: int, drive: Tensor) -> None:
        """Takes dL/dcurrent(t) (N, B)."""

    def gradients(self, drive: Tensor, wants_mask: bool) -> tuple[Tensor, Tensor | None]:
        """dL/dweight and dL/dmask, after dL/dcurrent `drive` (T, N, B) was received in full."""


class Mix(ABC):
    """A map from arrived spikes g (N, M, B) to currents (N, B), linear in g and in its weight."""

    @abstractmethod
    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        """Currents (N, B) of arrived spikes g (N, M, B): the definition."""

    def joined(self, weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Tensors that the lines take in place of weight and mask, made under autograd."""
        return weight, mask

    @abstractmethod
    def line(self, weight: Tensor, mask: Tensor | None, like: Tensor) -> Line:
        """A line for spikes of the shape and type of `like` (T, N, B)."""

    @abstractmethod
    def reverse(
        self, weight: Tensor, mask: Tensor | None, like: Tensor, record: tuple[Tensor, ...]
    ) -> Reverse:
        """The line with this record, run backwards."""


class ArrivalMix(Mix):
    """Mix after the delays: each neuron has its own delays, and the arrivals are mixed."""

    @abstractmethod
    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        """The transposed map: current (N, B) -> (N, M, B)."""

    def back_into(self, out: Tensor, weight: Tensor, current: Tensor) -> None:
        """`back` into a view (N, M, B)."""
        out.copy_(self.back(weight, current))

    @abstractmethod
    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        """dL/dweight, from dL/dcurrent `drive` (T, N, B) and arrived spikes (T, N, M, B)."""

    def line(self, weight: Tensor, mask: Tensor | None, like: Tensor) -> Line:
        assert mask is not None
        return DelayLine(self, weight, mask, like)

    def reverse(
        self, weight: Tensor, mask: Tensor | None, like: Tensor, record: tuple[Tensor, ...]
    ) -> Reverse:
        assert mask is not None
        return ReverseLine(self, weight, mask, like, record)


class Windows:
    """Slots of a mask (N, M, L) that hold a share, as bags of rows to be summed.

    A row is the record of a neuron (or head) at one step. first: (N, M), the first such slot, 1 or more.
    """

    def __init__(self, mask: Tensor) -> None:
        n, heads, slots = mask.shape
        nonzero = mask.detach()[:, :, 1:] != 0
        self.first = nonzero.int().argmax(2) + 1
        last = slots - 1 - nonzero.flip(2).int().argmax(2)
        width = max(1, int((last - self.first).max()) + 1) if nonzero.any() else 1
        self.slots = self.first[:, :, None] + torch.arange(width, device=mask.device)
        shares = mask.detach().gather(2, self.slots.clamp_max(slots - 1))
        self.shares = torch.where(self.slots < slots, shares, 0.0).flatten()
        self.slots = self.slots.clamp_max(slots - 1)
        self.shape = (n, heads, width)


class Bags:
    """Bags of `size` rows each of a table (rows, B), which is filled in step by step."""

    def __init__(self, table: Tensor, rows: Tensor, shares: Tensor, size: int) -> None:
        self.table, self.shares, self.size = table, shares, size
        self.rows = rows.flatten().int()
        self.starts = torch.arange(
            0, len(self.rows), size, dtype=torch.int, device=self.rows.device
        )

    def sums(self, t: int, out: Tensor) -> None:
        """Fills in the sums (bags, B) of the rows that lie t further, weighted by their shares."""
        if native.takes(self.table, out):
            sizes = (len(self.starts), self.size, self.table.shape[1])
            native.call("line_sums", *sizes, self.table, self.rows, self.shares, t, out)
            return
        own = (self.rows + t, self.starts, False, 0, False, self.shares, False)
        out.copy_(torch.embedding_bag(self.table, *own)[0].view_as(out))


class DelayLine:
    """Spikes that every neuron has sent, and those that have arrived.

    Row t + L of `sent` (N, T + L, B) holds y(t). mask: (N, M, L). arrived: (T, N, M, B) = g.
    """

    def __init__(self, mix: ArrivalMix, weight: Tensor, mask: Tensor, like: Tensor) -> None:
        steps, n, batch = like.shape
        self.mix, self.weight, self.delay_slots = mix, weight, mask.shape[2]
        rows = steps + self.delay_slots
        self.sent = like.new_empty(n, rows, batch)
        self.sent[:, : self.delay_slots] = 0
        self.arrived = like.new_empty(steps, n, mask.shape[1], batch)
        windows = Windows(mask)
        start = torch.arange(n, device=mask.device)[:, None, None] * rows + self.delay_slots
        table, at = self.sent.view(-1, batch), start - windows.slots
        self.bags = Bags(table, at, windows.shares, windows.shape[2])

    @property
    def record(self) -> tuple[Tensor, ...]:
        """Tensors that the backward pass needs."""
        return self.arrived, self.sent

    def current(self, t: int) -> Tensor:
        """Recurrent current (N, B) at t."""
        g = self.arrived[t]
        self.bags.sums(t, g)
        return self.mix.forward(self.weight, g)

    def send(self, t: int, y: Tensor) -> None:
        self.sent[:, t + self.delay_slots] = y


class ReverseLine:
    """The delay line run backwards; row t of `heads` (N, M, T + L, B) holds dL/dg(t)."""

    def __init__(
        self,
        mix: ArrivalMix,
        weight: Tensor,
        mask: Tensor,
        like: Tensor,
        record: tuple[Tensor, ...],
    ) -> None:
        steps, n, batch = like.shape
        self.mix, self.weight, self.slots = mix, weight, mask.shape[2]
        self.arrived, self.sent = record
        heads, rows = mask.shape[1], steps + self.slots
        self.heads = like.new_empty(n, heads, rows, batch)
        self.heads[:, :, steps:] = 0
        self.windows = Windows(mask)
        start = torch.arange(n * heads, device=mask.device).view(n, heads, 1) * rows
        at, size = start + self.windows.slots, heads * self.windows.shape[2]
        self.bags = Bags(self.heads.view(-1, batch), at, self.windows.shares, size)

    def spike_gradient(self, t: int) -> Tensor:
        """dL/dy(t) (N, B) from the steps at which y(t) arrives."""
        out = self.heads.new_empty(len(self.heads), self.heads.shape[3])
        self.bags.sums(t, out)
        return out

    def receive(self, t: int, drive: Tensor) -> None:
        self.mix.back_into(self.heads[:, :, t], self.weight, drive)

    def gradients(self, drive: Tensor, wants_mask: bool) -> tuple[Tensor, Tensor | None]:
        """dL/dweight and, if wanted, dL/dmask."""
        weight = self.mix.gradient(self.weight, drive, self.arrived)
        return weight, self._mask_gradient() if wants_mask else None

    def _mask_gradient(self) -> Tensor:
        """dL/dmask[j, m, l] = sum over t, b of y[j](t - l) * dL/dg[j, m](t).

        In C only where `spread` has a slope: in the slots with a share, and those beside them.
        Else one product over the batch holds every pair of a few steps with those up to L before; the
        sums run along its diagonals.
        """
        sent, (heads, rows, batch) = self.sent, self.heads.shape[1:]
        gradient = self.heads.new_zeros(len(sent), heads, self.slots)
        if native.takes(sent, self.heads):
            n, _, width = self.windows.shape
            reach = torch.arange(-1, width + 1, device=gradient.device)
            slots = (self.windows.first[:, :, None] + reach).clamp(1, self.slots - 1)
            found = gradient.new_empty(slots.shape)
            sizes = (n, heads, width + 2, self.slots, rows - self.slots, batch)
            native.call("line_gradient", *sizes, sent, self.heads, slots, found)
            return gradient.scatter_(2, slots, found)
        for first in range(0, rows - self.slots, CHUNK):
            span = min(CHUNK, rows - self.slots - first)
            before = sent[:, first + 1 : first + span + self.slots]
            back = self.heads[:, :, first : first + span].reshape(len(sent), -1, batch)
            product = torch.bmm(back, before.transpose(1, 2))  # (N, M * span, span + L - 1)
            across = product.shape[2]
            strides = (product.stride(0), span * across, across + 1, 1)
            shape = (len(sent), heads, span, self.slots - 1)
            gradient[:, :, 1:] += product.as_strided(shape, strides).sum(2).flip(2)
        return gradient
