"""The trainable delayed LIF layer, and the published loop that it must equal.

    h(t)    = x(t) + beta * v(t - 1) + mix(g(t))     g: what arrives of the layer's own spikes
    y(t)    = h(t) >= 1,   v(t) = h(t) * (1 - y(t))  the reset passes no gradient

`delayed_lif` is backpropagation through time written out, with the delay line first and the mixing
once (see `lines`); `ring_buffer_lif` is the published order under plain autograd.

The surrogate gradient of a spike is that of an arc tangent of slope `alpha` (SpikingJelly `ATan`).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from delrec_compile.training.lines import DelayLine, Mix, ReverseLine


def delayed_lif(
    x: Tensor,
    weight: Tensor | None,
    mask: Tensor | None,
    mix: Mix | None,
    beta: float,
    alpha: float = 5.0,
) -> Tensor:
    """Drive x (T, N, B) -> spikes (T, N, B).

    weight: of the mix, or None for no recurrence. mask: (N, M, L) from `spread`; slot 0 is never
    read. Gradients flow to x, weight and mask.
    """
    spikes: Tensor = _DelayedLif.apply(x, weight, mask, mix, beta, alpha)  # type: ignore[no-untyped-call]
    return spikes


def ring_buffer_lif(
    x: Tensor,
    weight: Tensor | None,
    mask: Tensor | None,
    mix: Mix | None,
    beta: float,
    alpha: float = 5.0,
) -> Tensor:
    """The same as `delayed_lif` in the published order, under plain autograd."""
    slots = 1 if mask is None else mask.shape[2]
    ring = [torch.zeros_like(x[0]) for _ in range(slots)]
    v, spikes = torch.zeros_like(x[0]), []
    for t, drive in enumerate(x):
        h = beta * v + drive + ring[t % slots]
        y: Tensor = _Spike.apply(h - 1, alpha)  # type: ignore[no-untyped-call]
        v = h * (1 - y.detach())
        spikes.append(y)
        if weight is not None and mask is not None and mix is not None:
            ring[t % slots] = torch.zeros_like(h)
            for slot in range(1, slots):
                share = y[:, None] * mask[:, :, slot, None]
                at = (t + slot) % slots
                ring[at] = ring[at] + mix.forward(weight, share)
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


class _DelayedLif(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        mask: Tensor | None,
        mix: Mix | None,
        beta: float,
        alpha: float,
    ) -> Tensor:
        line = None
        if weight is not None and mask is not None and mix is not None:
            line = DelayLine(mix, weight, mask, x)
        membrane, spikes = torch.empty_like(x), torch.empty_like(x)
        v = torch.zeros_like(x[0])
        for t in range(len(x)):
            h = torch.add(x[t], v, alpha=beta, out=membrane[t])
            if line:
                h += line.current(t)
            y = spikes[t] = torch.ge(h, 1).to(x.dtype)
            if line:
                line.send(t, y)
            v = torch.addcmul(h, h, y, value=-1)
        record = (line.arrived, line.sent) if line else (None, None)
        ctx.save_for_backward(weight, mask, membrane, spikes, *record)
        ctx.mix, ctx.beta, ctx.alpha = mix, beta, alpha
        return spikes

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        weight, mask, membrane, spikes, arrived, sent = ctx.saved_tensors
        line = None if arrived is None else ReverseLine(ctx.mix, weight, mask, membrane)
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
        d_weight = ctx.mix.gradient(weight, drive, arrived) if line else None
        wanted = line is not None and ctx.needs_input_grad[2]
        d_mask = line.mask_gradient(sent) if line and wanted else None
        return drive, d_weight, d_mask, None, None, None
