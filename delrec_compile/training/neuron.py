"""The trainable delayed LIF layer, and the published loop that it must equal.

    g[j](t) = sum_l mask[j, l] * y[j](t - l)         the delay line, l >= 1
    h(t)    = x(t) + beta * v(t - 1) + mix(g(t))     mix: W @ g, or a kernel over the neuron axis
    y(t)    = h(t) >= 1,   v(t) = h(t) * (1 - y(t))  the reset passes no gradient

`mask` is the triangle of DelRec (arXiv 2509.24852): a delay is learned through the share of a spike
that each later step receives. The published order mixes all slots of a spike and scatters them into
a ring of future currents; mixing is linear, so delaying first and mixing once gives the same numbers
with as many times less work as there are slots. `delayed_lif` does that with backpropagation through
time written out; `ring_buffer_lif` is the published order under plain autograd.

The surrogate gradient of the spike is that of an arc tangent of slope `alpha` (SpikingJelly `ATan`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def spread(delay: Tensor, sigma: float) -> Tensor:
    """delay (N,) in steps -> mask (N, L): the share of a spike that arrives l steps later.

    A triangle around 1 + delay of half-width 1 + sigma. With sigma 0 and whole delays it is one-hot.
    """
    width = 1.0 + sigma
    slots = math.ceil(1 + float(delay.detach().max()) + width) + 1
    after = torch.arange(slots, dtype=delay.dtype)
    distance = (after[None] - (1 + delay)[:, None]).abs()
    return (width - distance).clamp_min(0) / width**2


def delayed_lif(
    x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float = 5.0
) -> Tensor:
    """Drive x (T, N, B) -> spikes (T, N, B).

    weight: (K,) kernel over the neurons, K odd, or (N, N) [to, from], or None for no recurrence.
    mask: (N, L) from `spread`; slot 0 is never read. Gradients flow to x, weight and mask.
    """
    spikes: Tensor = _DelayedLif.apply(x, weight, mask, beta, alpha)  # type: ignore[no-untyped-call]
    return spikes


def ring_buffer_lif(
    x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float = 5.0
) -> Tensor:
    """The same as `delayed_lif` in the published order, under plain autograd.

    Drive x (T, B, N) -> spikes (T, B, N): batch before neurons, as published.
    """
    recurrent = weight is not None and mask is not None
    slots = mask.shape[1] if mask is not None else 1
    ring = x.new_zeros(*x.shape[1:], slots)
    v, at, spikes = torch.zeros_like(x[0]), 0, []
    for drive in x:
        h = beta * v + drive + ring[:, :, at]
        y: Tensor = _Spike.apply(h - 1, alpha)  # type: ignore[no-untyped-call]
        v = h * (1 - y.detach())
        spikes.append(y)
        if recurrent:
            future = _mix_slots(weight, y.unsqueeze(2) * mask)
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
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        (u,) = ctx.saved_tensors
        return gradient * atan_gradient(u, ctx.alpha), None


def _mix_slots(weight: Tensor | None, y: Tensor) -> Tensor:
    """(B, N, L) spread spikes -> (B, N, L) future currents."""
    assert weight is not None
    if weight.ndim == 2:
        return torch.matmul(weight, y)
    batch, n, slots = y.shape
    rows = y.permute(0, 2, 1).reshape(batch * slots, 1, n)
    mixed = functional.conv1d(rows, weight.view(1, 1, -1), padding=len(weight) // 2)
    return mixed.view(batch, slots, n).permute(0, 2, 1)


class _DelayedLif(torch.autograd.Function):
    """Row t + L of `sent` (N, T + L, B) holds y(t), so a delay window is one contiguous block."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, mask: Tensor | None, beta: float, alpha: float
    ) -> Tensor:
        steps, n, batch = x.shape
        slots = mask.shape[1] if mask is not None else 1
        membrane, spikes = torch.empty_like(x), torch.empty_like(x)
        recurrent = weight is not None and mask is not None
        arrived = torch.empty_like(x) if recurrent else None
        sent = x.new_zeros(n, steps + slots, batch) if recurrent else None
        window = mask[:, 1:].flip(1).unsqueeze(1).contiguous() if mask is not None else None
        v = x.new_zeros(n, batch)
        for t in range(steps):
            h = torch.add(x[t], v, alpha=beta, out=membrane[t])
            if arrived is not None:
                g = arrived[t]
                torch.bmm(window, sent[:, t + 1 : t + slots], out=g.unsqueeze(1))
                h += _mix(weight, g)
            y = torch.ge(h, 1).to(x.dtype)
            spikes[t] = y
            if sent is not None:
                sent[:, t + slots] = y
            v = torch.addcmul(h, h, y, value=-1)
        ctx.save_for_backward(weight, mask, membrane, spikes, arrived, sent)
        ctx.beta, ctx.alpha = beta, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        weight, mask, membrane, spikes, arrived, sent = ctx.saved_tensors
        slope = atan_gradient(membrane - 1, ctx.alpha)
        keep = (1 - spikes) * ctx.beta
        drive, back = _reverse_time(gradient, slope, keep, weight, mask)
        d_weight = d_mask = None
        if back is not None:
            d_weight = _weight_gradient(weight, drive, arrived)
            if ctx.needs_input_grad[2]:
                d_mask = _mask_gradient(sent, back, mask.shape[1])
        return drive, d_weight, d_mask, None, None


def _reverse_time(
    gradient: Tensor, slope: Tensor, keep: Tensor, weight: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """dL/dx (T, N, B), and dL/dg in rows t of (N, T + L, B)."""
    steps, n, batch = slope.shape
    slots = mask.shape[1] if mask is not None else 1
    drive = torch.empty_like(slope)
    back = slope.new_zeros(n, steps + slots, batch) if weight is not None else None
    window = mask[:, 1:].unsqueeze(1).contiguous() if mask is not None else None
    for t in reversed(range(steps)):
        dy = gradient[t]
        if back is not None:
            dy = dy + torch.bmm(window, back[:, t + 1 : t + slots]).squeeze(1)
        dh = torch.mul(dy, slope[t], out=drive[t])
        if t + 1 < steps:
            dh.addcmul_(drive[t + 1], keep[t])
        if back is not None:
            back[:, t] = _mix_transposed(weight, dh)
    return drive, back


def _shifted(n: int, offset: int) -> tuple[slice, slice]:
    """(to, from): rows i and i + offset where both are in 0..n-1."""
    return slice(max(-offset, 0), n - max(offset, 0)), slice(max(offset, 0), n - max(-offset, 0))


def _mix(weight: Tensor | None, g: Tensor) -> Tensor:
    """(N, B) arrived spikes -> (N, B) recurrent current."""
    assert weight is not None
    if weight.ndim == 2:
        return weight @ g
    pad = len(weight) // 2
    current = weight[pad] * g
    for k in range(len(weight)):
        if k != pad:
            to, come_from = _shifted(len(g), k - pad)
            current[to].addcmul_(g[come_from], weight[k])
    return current


def _mix_transposed(weight: Tensor | None, d: Tensor) -> Tensor:
    assert weight is not None
    return weight.T @ d if weight.ndim == 2 else _mix(weight.flip(0), d)


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
    """dL/dmask[j, l] = sum over t, b of y[j](t - l) * dL/dg[j](t): one product, then its diagonals."""
    n, rows, _ = sent.shape
    steps = rows - slots
    product = torch.bmm(sent, back[:, :steps].transpose(1, 2)).contiguous()  # (N, T + L, T)
    strides = (product.stride(0), steps, steps + 1)
    diagonals = product.as_strided((n, slots + 1, steps), strides)  # [j, L - l, t]
    gradient = diagonals[:, 1:].sum(2).flip(1)
    gradient[:, 0] = 0
    return gradient
