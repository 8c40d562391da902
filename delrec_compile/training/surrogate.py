"""Surrogate derivatives of a spike: what stands for the derivative of the step function at u.

    atan           alpha / 2 / (1 + (pi / 2 * alpha * u) ** 2)     SpikingJelly `ATan`
    sigmoid        alpha * s * (1 - s), s = sigmoid(alpha * u)
    fast_sigmoid   1 / (1 + alpha * |u|) ** 2                      SuperSpike, arXiv 1705.11146
    triangle       alpha * max(0, 1 - alpha * |u|)
    box            alpha / 2 where alpha * |u| < 1
    gaussian       alpha / sqrt(2 pi) * exp(-(alpha * u) ** 2 / 2)

u is the membrane less the threshold. All but `fast_sigmoid` have an area of 1; alpha is steepness.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the config reads the names here, without torch
    from torch import Tensor


def atan(u: Tensor, alpha: float) -> Tensor:
    return (u * (math.pi / 2 * alpha)).square_().add_(1).reciprocal_().mul_(alpha / 2)


def sigmoid(u: Tensor, alpha: float) -> Tensor:
    s = (u * alpha).sigmoid_()
    return alpha * s * (1 - s)


def fast_sigmoid(u: Tensor, alpha: float) -> Tensor:
    return (u.abs() * alpha).add_(1).square_().reciprocal_()


def triangle(u: Tensor, alpha: float) -> Tensor:
    return (u.abs() * -alpha).add_(1).clamp_min_(0).mul_(alpha)


def box(u: Tensor, alpha: float) -> Tensor:
    return (u.abs() * alpha < 1).to(u.dtype).mul_(alpha / 2)


def gaussian(u: Tensor, alpha: float) -> Tensor:
    return (u * alpha).square_().mul_(-0.5).exp_().mul_(alpha / math.sqrt(2 * math.pi))


SURROGATES: dict[str, Callable[[Tensor, float], Tensor]] = {
    f.__name__: f for f in (atan, sigmoid, fast_sigmoid, triangle, box, gaussian)
}
