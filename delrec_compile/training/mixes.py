"""The mix of each recurrence, from arrived spikes to currents; see `delay_lines.Mix`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from delrec_compile.training import native
from delrec_compile.training.delay_lines import ArrivalMix, Line, Mix, Reverse
from delrec_compile.training.product import weight_gradient
from delrec_compile.training.taps import Lags, TapLine, TapReverse

LONG = 16  # taps from which a kernel is faster as a matrix of its diagonals
WIDE = 64  # weights of each neuron from which a kernel between channels is faster as a matrix


class MatrixMix(ArrivalMix):
    """A product with a matrix. weight: (N, N) [to, from]; one head."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        return weight @ g[:, 0]

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return (weight.T @ current).unsqueeze(1)

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        return weight_gradient(drive, arrived[:, :, 0])


class KernelMix(ArrivalMix):
    """A convolution over the neurons. weight: (M, K), a kernel per head, K odd."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        if weight.shape[1] >= LONG:
            return _banded(weight, len(g)) @ g.reshape(-1, g.shape[2])
        if _unseen(weight, g) and native.takes(weight, g):
            out = g.new_empty(len(g), g.shape[2])
            native.call("kernel_forward", *g.shape, weight.shape[1], weight, g, out)
            return out
        current = _convolved(weight[0], g[:, 0])
        for m in range(1, len(weight)):
            current += _convolved(weight[m], g[:, m])
        return current

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        if weight.shape[1] >= LONG:
            return (_banded(weight, len(current)).T @ current).view(len(current), len(weight), -1)
        return torch.stack([_convolved(kernel.flip(0), current) for kernel in weight], 1)

    def back_into(self, out: Tensor, weight: Tensor, current: Tensor) -> None:
        taps, stride = weight.shape[1], out.stride(1)
        rows = out.stride() == (len(weight) * stride, stride, 1)
        if taps < LONG and rows and native.takes(weight, current):
            native.call("kernel_back", *out.shape, taps, stride, weight, current, out)
        else:
            super().back_into(out, weight, current)

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        if weight.shape[1] >= LONG:
            return _diagonals(drive, arrived, weight.shape[1])
        if native.takes(weight, drive, arrived):
            out = torch.zeros_like(weight)
            sizes = (*arrived.shape, weight.shape[1])
            native.call("kernel_gradient", *sizes, drive, arrived, out)
            return out
        # with zeros between the steps, a shift along the neurons is a shift of the whole record
        pad, batch = weight.shape[1] // 2, drive.shape[2]
        zeros = (0, 0, pad, pad)
        to = functional.pad(drive, zeros).view(-1)
        taps = []
        for m in range(len(weight)):
            come_from = functional.pad(arrived[:, :, m], zeros).view(-1)
            for offset in range(-pad * batch, pad * batch + 1, batch):
                left, right = _shifted(len(to), offset)
                taps.append(torch.dot(to[left], come_from[right]))
        return torch.stack(taps).view_as(weight)


def _unseen(*tensors: Tensor) -> bool:
    """Whether autograd, which does not see what C computes, needs no gradient of these."""
    return not (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


def _banded(kernels: Tensor, n: int) -> Tensor:
    """Kernels (M, K) as one matrix (n, n * M) [to, (from, head)], a diagonal per tap."""
    margin = n - 1 - kernels.shape[1] // 2
    rows = functional.pad(kernels, (margin, margin)).unfold(1, n, 1)
    return rows.flip(1).permute(1, 2, 0).reshape(n, -1)


def _diagonals(drive: Tensor, arrived: Tensor, taps: int) -> Tensor:
    """Gradient (M, taps) of the kernels: that of the matrix of `_banded`, summed along diagonals."""
    n, heads, batch = arrived.shape[1:]
    pair = torch.zeros(n, n, heads, dtype=drive.dtype, device=drive.device)
    for to, come_from in zip(drive, arrived, strict=True):
        pair.view(n, -1).addmm_(to, come_from.view(n * heads, batch).T)
    # with taps // 2 zeros before each row, tap k of row i lies i + k places from its start
    wide = functional.pad(pair.permute(2, 0, 1), (taps // 2, taps // 2)).contiguous()
    across = wide.shape[2]
    return wide.as_strided((heads, n, taps), (n * across, across + 1, 1)).sum(1)


def _shifted(n: int, offset: int) -> tuple[slice, slice]:
    """Slices (to, from): rows i and i + offset where both are in 0..n-1."""
    return slice(max(-offset, 0), n - max(offset, 0)), slice(max(offset, 0), n - max(-offset, 0))


def _convolved(kernel: Tensor, g: Tensor) -> Tensor:
    """g (N, B) convolved with a kernel (K,) over the neurons."""
    pad = len(kernel) // 2
    current = kernel[pad] * g
    for k in range(len(kernel)):
        if k != pad:
            to, come_from = _shifted(len(g), k - pad)
            current[to].addcmul_(g[come_from], kernel[k])
    return current


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
        """Kernels over maps and over the last steps, in the layout of `Lags`."""
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
    """A head per receiving neuron. weight: (N, N) [to, from], each pair with its own delay."""

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        return torch.einsum("ij,jib->ib", weight, g)

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        return weight.T[:, :, None] * current

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        return torch.einsum("tib,tjib->ij", drive, arrived)


class ChannelMix(MatrixMix):
    """A convolution between the channels that the neurons lie in. weight: (C, C, K), K odd; one head.

    Lines take a kernel of many weights as the matrix that it stands for.

    circular: whether a map goes on at its other end; else what lies outside is zero. dilation: places
    from one tap to the next.
    """

    def __init__(self, *, circular: bool = False, dilation: int = 1) -> None:
        self.circular, self.dilation = circular, dilation

    def joined(self, weight: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        channels, _, taps = weight.shape
        places = len(mask) // channels
        coincide = self.circular and (taps - 1) * self.dilation >= places
        if channels * taps < WIDE or coincide:
            return weight, mask
        at = self._at(channels, taps, places).to(weight.device)
        return functional.pad(weight, (0, 1)).view(-1)[at], mask

    def forward(self, weight: Tensor, g: Tensor) -> Tensor:
        if weight.ndim == 2:
            return super().forward(weight, g)
        own = weight.permute(2, 0, 1).contiguous()
        if _unseen(own, g) and native.takes(own, g):
            out = g.new_empty(len(g), g.shape[2])
            self._mixed(out, own, g, self.dilation)
            return out
        each = weight.permute(2, 0, 1) @ g[:, 0].reshape(len(weight), -1)
        current = torch.zeros_like(each[0])
        for k, to, come_from in self._taps(len(each), each.shape[2], g.shape[2]):
            current[:, to] += each[k, :, come_from]
        return current.view(len(g), -1)

    def back(self, weight: Tensor, current: Tensor) -> Tensor:
        if weight.ndim == 2:
            return super().back(weight, current)
        each = weight.permute(2, 1, 0) @ current.reshape(len(weight), -1)
        sent = torch.zeros_like(each[0])
        for k, to, come_from in self._taps(len(each), each.shape[2], current.shape[1]):
            sent[:, come_from] += each[k, :, to]
        return sent.view(len(current), 1, -1)

    def back_into(self, out: Tensor, weight: Tensor, current: Tensor) -> None:
        if weight.ndim == 3 and out.stride(2) == 1 and out.dtype == current.dtype:
            own = weight.permute(2, 1, 0).contiguous()
            if native.takes(own, current):
                self._mixed(out, own, current, -self.dilation)
                return
        super().back_into(out, weight, current)

    def gradient(self, weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
        if weight.ndim == 2:
            return super().gradient(weight, drive, arrived)
        channels, _, taps = weight.shape
        got, sent = (each.reshape(len(drive), channels, -1) for each in (drive, arrived))
        found = weight.new_zeros(taps, channels, channels)
        for k, to, come_from in self._taps(taps, got.shape[2], drive.shape[2]):
            found[k] += torch.bmm(got[:, :, to], sent[:, :, come_from].transpose(1, 2)).sum(0)
        return found.permute(1, 2, 0)

    def _mixed(self, out: Tensor, weight: Tensor, values: Tensor, dilation: int) -> None:
        """The map of values (N, .., B) by a kernel (K, C_out, C_in) in C; `forward` up to rounding."""
        taps, channels, batch = len(weight), weight.shape[1], values.shape[-1]
        sizes = (taps, channels, len(values) // channels, batch, out.stride(0), dilation)
        native.call("channel_mix", *sizes, int(self.circular), weight, values, out)

    def _at(self, channels: int, taps: int, places: int) -> Tensor:
        """Places (N, N) of the weights between neurons in a kernel with a zero behind its rows."""
        tap = torch.full((places, places), taps)
        for k, to, come_from in self._taps(taps, places, 1):
            tap[range(*to.indices(places)), range(*come_from.indices(places))] = k
        kernel = torch.arange(channels**2).view(channels, 1, channels, 1) * (taps + 1)
        return (kernel + tap[:, None]).reshape(channels * places, -1)

    def _taps(self, taps: int, size: int, batch: int) -> Iterator[tuple[int, slice, slice]]:
        """Each tap with slices (to, from) of maps in which the batch of a place lies side by side.

        size: places of a map times the batch.
        """
        for k in range(taps):
            offset = (k - taps // 2) * self.dilation * batch
            if self.circular and (offset := offset % size):
                yield k, slice(size - offset, size), slice(0, offset)
            if abs(offset) < size:
                yield k, *_shifted(size, offset)
