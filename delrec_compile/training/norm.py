"""BatchNorm of a series (T, N, B), over its steps and samples, a step at a time.

    out = (x - mean) / sqrt(var + eps) * weight + bias      mean, var over (T, B) for each of N

What `torch.nn.BatchNorm1d` computes, up to rounding; a step stays in the cache between its passes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from delrec_compile.training import native


class SeriesNorm(nn.BatchNorm1d):
    """BatchNorm1d for contiguous series (T, N, B)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        normed: Tensor
        normed, mean, var = _Normed.apply(x, self.weight, self.bias, self.eps)  # type: ignore[no-untyped-call]
        count, share = x.numel() // self.num_features, self.momentum
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert share is not None
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(var * (count / max(count - 1, 1)), share)
            self.num_batches_tracked.add_(1)
        return normed


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        count = len(x) * x.shape[2]
        mean = x.sum(0).sum(1) / count
        var = _sums(x, mean) / count
        inverse = torch.rsqrt(var + eps)
        scale = inverse * weight
        out = _mapped(x, scale, bias - mean * scale)
        ctx.save_for_backward(x, mean, inverse, scale)
        ctx.mark_non_differentiable(mean, var)
        return out, mean, var

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, inverse, scale = ctx.saved_tensors
        count = len(x) * x.shape[2]
        gradient = gradient.contiguous()
        d_bias = gradient.sum(0).sum(1)
        d_weight = inverse * _sums(x, mean, gradient)
        # dL/dx = scale * (dL/dout - its mean - (x - mean) * inverse * mean of dL/dout * x normed)
        factor = -scale * inverse * d_weight / count
        offset = -scale * d_bias / count - factor * mean
        return _mapped(x, factor, offset, gradient, scale), d_weight, d_bias, None


def _sums(x: Tensor, mean: Tensor, other: Tensor | None = None) -> Tensor:
    """Sums (N,) of (x - mean) * other over steps and samples; other: x - mean itself."""
    sums = torch.zeros_like(x[0])
    if native.takes(x, x if other is None else other):
        native.call("norm_sums", *x.shape, mean, x, other, sums)
        return sums.sum(1)
    centre = _tile(mean, x)
    for row, own in zip(x, x if other is None else other, strict=True):
        away = row - centre
        sums.addcmul_(away, away if other is None else own)
    return sums.sum(1)


def _mapped(
    x: Tensor,
    factor: Tensor,
    offset: Tensor,
    other: Tensor | None = None,
    share: Tensor | None = None,
) -> Tensor:
    """x * factor + offset + other * share, with numbers (N,) for each neuron."""
    out = torch.empty_like(x)
    if native.takes(x, x if other is None else other):
        native.call("norm_map", *x.shape, factor, offset, share, x, other, out)
        return out
    factor, offset = _tile(factor, x), _tile(offset, x)
    for row, mapped in zip(x, out, strict=True):
        torch.addcmul(offset, row, factor, out=mapped)
    if other is not None and share is not None:
        share = _tile(share, x)
        for own, mapped in zip(other, out, strict=True):
            mapped.addcmul_(own, share)
    return out


def _tile(each: Tensor, x: Tensor) -> Tensor:
    """A number per neuron (N,), repeated for every sample: (N, B), as a step of x."""
    return each[:, None].expand(x.shape[1:]).contiguous()
