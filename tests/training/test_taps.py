"""Delays that all neurons share: one product over the last steps is the sum over taps and lags."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from delrec_compile.training.taps import Lags, TapLine, TapReverse

STEPS, BATCH, LAGS = 6, 2, 3
SHAPES = {  # groups, outputs and inputs of a group, rows, columns; height, width of the maps
    "each channel apart": ((2, 1, 1, 1, 3), (1, 5)),
    "channels mixed": ((1, 2, 2, 3, 3), (3, 4)),
    "a kernel wider than the map": ((1, 1, 1, 1, 5), (1, 2)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_currents_and_gradients_are_those_of_convolutions(name: str) -> None:
    (groups, outputs, inputs, rows, columns), (height, width) = SHAPES[name]
    r = torch.Generator().manual_seed(0)
    kernels = torch.randn(
        groups, outputs, rows, columns, LAGS, inputs, generator=r, dtype=torch.double
    ).requires_grad_()
    shape = (groups * outputs, height, width)
    n = shape[0] * height * width
    y = torch.bernoulli(torch.full((STEPS, n, BATCH), 0.4, dtype=torch.double), generator=r)
    y.requires_grad_()
    pad = (rows // 2, columns // 2)
    expected = torch.zeros(STEPS, n, BATCH, dtype=torch.double)
    for t in range(STEPS):
        for lag in range(1, min(LAGS, t) + 1):
            kernel = kernels[:, :, :, :, LAGS - lag].permute(0, 1, 4, 2, 3)
            maps = y[t - lag].T.reshape(BATCH, *shape)
            current = functional.conv2d(maps, kernel.flatten(0, 1), padding=pad, groups=groups)
            expected[t] += current.reshape(BATCH, n).T
    lags = Lags(kernels.detach(), shape)
    line = TapLine(lags, y.detach())
    for t in range(STEPS):
        assert torch.allclose(line.current(t), expected[t].detach(), rtol=1e-12, atol=1e-12)
        line.send(t, y[t].detach())
    cost = torch.randn(expected.shape, generator=r, dtype=torch.double)
    d_y, d_kernels = torch.autograd.grad((expected * cost).sum(), [y, kernels])
    back = TapReverse(lags, y.detach(), line.record)
    for t in reversed(range(STEPS)):
        assert torch.allclose(back.spike_gradient(t), d_y[t], rtol=1e-12, atol=1e-12)
        back.receive(t, cost[t])
    assert torch.allclose(back.gradients(cost, False)[0], d_kernels, rtol=1e-12, atol=1e-12)
