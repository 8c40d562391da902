"""The trainable delayed LIF layer, and the published loop that it must equal.

    g[j](t) = sum_l mask[j, l] * y[j](t - l)         the delay line, l >= 1
    h(t)    = x(t) + beta * v(t - 1) + mix(g(t))     mix: W @ g, or a kernel over the neuron axis
                                                     with several heads, the sum of their mixes
    y(t)    = h(t) >= 1,   v(t) = h(t) * (1 - y(t))  the reset passes no gradient

`mask` is the triangle of DelRec (arXiv 2509.24852): a delay is learned through the share of a
spike that each later step receives. The published order mixes all slots of a spike and scatters
them into a ring of future currents. Mixing is linear, so delaying first and mixing once gives the
same numbers for a fraction of the work: one slot in place of L. `delayed_lif` does that, with
backpropagation through time written out; `ring_buffer_lif` is the published order under plain
autograd.

The surrogate gradient of a spike is that of an arc tangent of slope `alpha` (SpikingJelly `ATan`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def spread(delay: Tensor, sigma: float) -> Tensor:
    """delay (..., N) in steps -> mask (..., N, L): the share of a spike that arrives l steps later.

    A triangle around 1 + delay of half-width 1 + sigma; one-hot at sigma 0 and whole delays.
    """
    width = 1.0 + sigma
    slots = math.ceil(1 + float(delay.detach().max()) + width) + 1
    after = torch.arange(slots, dtype=delay.dtype)
    distance = (after - (1 + delay)[..., None]).abs()
    return (width - distance).clamp_min(0) / width**2


def delayed_lif(
    x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float = 5.0
) -> Tensor:
    """Drive x (T, N, B) -> spikes (T, N, B).

    weight: (K,) kernel over the neurons, K odd, or (N, N) [to, from], or None for no recurrence.
    mask: (N, L) from `spread`; slot 0 is never read. Several heads: weight (M, K), mask (M, N, L).
    Gradients flow to x, weight and mask.
    """
    spikes: Tensor = _DelayedLif.apply(x, weight, mask, beta, alpha)  # type: ignore[no-untyped-call]
    return spikes


def ring_buffer_lif(
    x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float = 5.0
) -> Tensor:
    """The same as `delayed_lif` in the published order, under plain autograd.

    Drive x (T, B, N) -> spikes (T, B, N): batch before neurons, as published.
    """
    slots = 1 if mask is None else mask.shape[-1]
    ring = x.new_zeros(*x.shape[1:], slots)
    v, at, spikes = torch.zeros_like(x[0]), 0, []
    for drive in x:
        h = beta * v + drive + ring[:, :, at]
        y: Tensor = _Spike.apply(h - 1, alpha)  # type: ignore[no-untyped-call]
        v = h * (1 - y.detach())
        spikes.append(y)
        if weight is not None and mask is not None:
            future = sum(_mix_slots(w, y.unsqueeze(2) * m) for w, m in _heads(weight, mask))
            assert isinstance(future, Tensor)
            ring[:, :, at] = 0
            at = (at + 1) % slots
            before_wrap = min(slots - 1, slots - at)
            ring[:, :, at : at + before_wrap] += future[:, :, 1 : 1 + before_wrap]
            ring[:, :, : slots - 1 - before_wrap] += future[:, :, 1 + before_wrap :]
    return torch.stack(spikes)


def atan_gradient(u: Tensor, alpha: float) -> Tensor:
    """Surrogate derivative of the step function at u."""
    return (alpha / 2) / (1 + (math.pi / 2 * alpha * u).square())


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: Tensor, alpha: float) -> Tensor:
        ctx.save_for_backward(u)
        ctx.alpha = alpha
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (u,) = ctx.saved_tensors
        return gradient * atan_gradient(u, ctx.alpha), None


def _mix_slots(weight: Tensor, y: Tensor) -> Tensor:
    """(B, N, L) spread spikes -> (B, N, L) future currents."""
    if weight.ndim == 2:
        return torch.matmul(weight, y)
    batch, n, slots = y.shape
    rows = y.permute(0, 2, 1).reshape(batch * slots, 1, n)
    mixed = functional.conv1d(rows, weight.view(1, 1, -1), padding=len(weight) // 2)
    return mixed.view(batch, slots, n).permute(0, 2, 1)


def _heads(weight: Tensor, mask: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The weight and the mask of each head."""
    return list(zip(weight, mask, strict=True)) if mask.ndim == 3 else [(weight, mask)]


class _DelayLine:
    """What has been sent, and what has arrived at each head, of every neuron.

    Row t + L of `sent` (N, T + L, B) holds y(t), so a delay window is one contiguous block.
    arrived: per head (T, N, B) = g.
    """

    def __init__(self, weight: Tensor, mask: Tensor, like: Tensor) -> None:
        steps, n, batch = like.shape
        heads = _heads(weight, mask)
        self.weights, self.slots = [w for w, _ in heads], mask.shape[-1]
        self.windows = [m[:, 1:].flip(1).unsqueeze(1).contiguous() for _, m in heads]
        self.sent = like.new_zeros(n, steps + self.slots, batch)
        self.arrived = [torch.empty_like(like) for _ in heads]

    def add_current(self, t: int, h: Tensor) -> None:
        """h (N, B) += the recurrent current at t."""
        past = self.sent[:, t + 1 : t + self.slots]
        for weight, window, arrived in zip(self.weights, self.windows, self.arrived, strict=True):
            g = arrived[t]
            torch.bmm(window, past, out=g.unsqueeze(1))
            h += _mix(weight, g)

    def send(self, t: int, y: Tensor) -> None:
        self.sent[:, t + self.slots] = y


class _ReverseLine:
    """The delay line run backwards; row t of a head's `back` (N, T + L, B) holds dL/dg(t)."""

    def __init__(self, weight: Tensor, mask: Tensor, like: Tensor) -> None:
        steps, n, batch = like.shape
        heads = _heads(weight, mask)
        self.slots = mask.shape[-1]
        self.weights = [w.T if w.ndim == 2 else w.flip(0) for w, _ in heads]
        self.windows = [m[:, 1:].unsqueeze(1).contiguous() for _, m in heads]
        self.back = [like.new_zeros(n, steps + self.slots, batch) for _ in heads]

    def spike_gradient(self, t: int) -> Tensor:
        """(N, B) dL/dy(t) from the steps at which y(t) arrives."""
        parts = [
            torch.bmm(window, back[:, t + 1 : t + self.slots]).squeeze(1)
            for window, back in zip(self.windows, self.back, strict=True)
        ]
        return torch.stack(parts).sum(0) if len(parts) > 1 else parts[0]

    def receive(self, t: int, dh: Tensor) -> None:
        for transposed, back in zip(self.weights, self.back, strict=True):
            back[:, t] = _mix(transposed, dh)


class _DelayedLif(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float
    ) -> Tensor:
        line = None if weight is None or mask is None else _DelayLine(weight, mask, x)
        membrane, spikes = torch.empty_like(x), torch.empty_like(x)
        v = torch.zeros_like(x[0])
        for t in range(len(x)):
            h = torch.add(x[t], v, alpha=beta, out=membrane[t])
            if line:
                line.add_current(t, h)
            y = spikes[t] = torch.ge(h, 1).to(x.dtype)
            if line:
                line.send(t, y)
            v = torch.addcmul(h, h, y, value=-1)
        record = (line.sent, *line.arrived) if line else ()
        ctx.save_for_backward(weight, mask, membrane, spikes, *record)
        ctx.beta, ctx.alpha = beta, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, mask, membrane, spikes, *record = ctx.saved_tensors
        line = None if weight is None or mask is None else _ReverseLine(weight, mask, membrane)
        slope = atan_gradient(membrane - 1, ctx.alpha)
        keep = (1 - spikes) * ctx.beta
        drive = torch.empty_like(membrane)
        for t in reversed(range(len(drive))):
            dy = gradient[t] + line.spike_gradient(t) if line else gradient[t]
            dh = torch.mul(dy, slope[t], out=drive[t])
            if t + 1 < len(drive):
                dh.addcmul_(drive[t + 1], keep[t])
            if line:
                line.receive(t, dh)
        if line is None:
            return drive, None, None, None, None
        sent, *arrived = record
        d_weight = [
            _weight_gradient(w, drive, g)
            for (w, _), g in zip(_heads(weight, mask), arrived, strict=True)
        ]
        stack = torch.stack if mask.ndim == 3 else _only
        d_mask = None
        if ctx.needs_input_grad[2]:
            d_mask = stack([_mask_gradient(sent, back, line.slots) for back in line.back])
        return drive, stack(d_weight), d_mask, None, None


def _only(tensors: list[Tensor]) -> Tensor:
    (tensor,) = tensors
    return tensor


def _shifted(n: int, offset: int) -> tuple[slice, slice]:
    """(to, from): rows i and i + offset where both are in 0..n-1."""
    return slice(max(-offset, 0), n - max(offset, 0)), slice(max(offset, 0), n - max(-offset, 0))


def _mix(weight: Tensor, g: Tensor) -> Tensor:
    """(N, B) arrived spikes -> (N, B) recurrent current."""
    if weight.ndim == 2:
        return weight @ g
    pad = len(weight) // 2
    current = weight[pad] * g
    for k in range(len(weight)):
        if k != pad:
            to, come_from = _shifted(len(g), k - pad)
            current[to].addcmul_(g[come_from], weight[k])
    return current


def _weight_gradient(weight: Tensor, drive: Tensor, arrived: Tensor) -> Tensor:
    if weight.ndim == 2:
        return torch.bmm(drive, arrived.transpose(1, 2)).sum(0)
    pad, n = len(weight) // 2, drive.shape[1]
    taps = []
    for k in range(len(weight)):
        to, come_from = _shifted(n, k - pad)
        taps.append((drive[:, to] * arrived[:, come_from]).sum())
    return torch.stack(taps)


def _mask_gradient(sent: Tensor, back: Tensor, slots: int) -> Tensor:
    """dL/dmask[j, l] = sum over t, b of y[j](t - l) * dL/dg[j](t).

    One product over the batch holds every pair of steps; the sums run along its diagonals.
    """
    n, rows, _ = sent.shape
    steps = rows - slots
    product = torch.bmm(sent, back[:, :steps].transpose(1, 2)).contiguous()  # (N, T + L, T)
    strides = (product.stride(0), steps, steps + 1)
    diagonals = product.as_strided((n, slots + 1, steps), strides)  # [j, L - l, t]
    gradient = diagonals[:, 1:].sum(2).flip(1)
    gradient[:, 0] = 0
    return gradient
