"""The product of a matrix with a series of values, step by step, in the layout of the net.

    out(t) = weight x(t) + bias      x: (T, N_in, B), so that a step is contiguous

Written out, as autograd would keep and add a gradient of the weight for each step. In C, where few of
the values are not 0, both the product and the gradient of its weight add up rows of these alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from delrec_compile.training import native

FEW = 0.25  # share of the values; with more of them, sums of rows are slower than a whole product
BLOCK = 64  # outputs that C sums at a time: SUMS * LANES of lanes.h


def product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Values (T, N_out, B) of x (T, N_in, B). weight: (N_out, N_in). bias: (N_out,)."""
    out: Tensor = _Product.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return out


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.sparse = weight.shape[0] % BLOCK == 0 and native.takes(x, weight) and _has_few(x)
        if ctx.sparse:
            return _sums_of_rows(x, weight, bias)
        out = torch.bmm(weight.expand(len(x), -1, -1), x)
        return out if bias is None else out.add_(bias[:, None])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        gradient = gradient.contiguous()
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad
        d_x = d_weight = d_bias = None
        if wants_x:
            d_x = torch.bmm(weight.T.expand(len(x), -1, -1), gradient)
        if wants_weight:
            d_weight = (_gradient_of_rows if ctx.sparse else weight_gradient)(gradient, x)
        if wants_bias:
            d_bias = gradient.sum(0).sum(1)
        return d_x, d_weight, d_bias


def weight_gradient(gradient: Tensor, x: Tensor) -> Tensor:
    """dL/dweight (N_out, N_in) of dL/dout (T, N_out, B) and x (T, N_in, B)."""
    out = x.new_zeros(gradient.shape[1], x.shape[1])
    for to, come_from in zip(gradient, x, strict=True):
        out.addmm_(to, come_from.T)
    return out


def _has_few(x: Tensor) -> bool:
    found = torch.empty(1, dtype=torch.int64)
    native.call("count_active", x.numel(), x, found)
    return int(found) <= FEW * x.numel()


def _sums_of_rows(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`product` in C."""
    steps, inputs, batch = x.shape
    outputs = len(weight)
    out, tile = x.new_empty(steps, outputs, batch), x.new_empty(batch, outputs)
    own = x.new_zeros(outputs) if bias is None else bias
    sizes, room = (
        (steps, inputs, outputs, batch),
        (tile, torch.empty(inputs + 1, dtype=torch.int32)),
    )
    native.call("product_forward", *sizes, x, weight.T.contiguous(), own, out, *room)
    return out


def _gradient_of_rows(gradient: Tensor, x: Tensor) -> Tensor:
    """`weight_gradient` in C."""
    steps, inputs, batch = x.shape
    outputs = gradient.shape[1]
    out, tile = x.new_zeros(inputs, outputs), x.new_empty(batch, outputs)
    sizes, room = (steps, inputs, outputs, batch), (tile, torch.empty(batch + 1, dtype=torch.int32))
    native.call("product_gradient", *sizes, x, gradient, out, *room)
    return out.T
