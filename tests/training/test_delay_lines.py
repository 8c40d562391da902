"""Delay lines: shares of a spike over the steps, forwards and backwards."""

from __future__ import annotations

import math

import pytest
import torch

from delrec_compile.training.delay_lines import DelayLine, Windows, spread
from delrec_compile.training.mixes import KernelMix


def test_a_whole_delay_without_spread_arrives_once() -> None:
    mask = spread(torch.tensor([0.0, 2.0, 5.0]), 0.0)
    assert mask.argmax(1).tolist() == [1, 3, 6]
    assert mask.sum(1).tolist() == [1, 1, 1]
    fractional = spread(torch.tensor([2.25]), 0.0)[0]
    assert fractional.nonzero().flatten().tolist() == [3, 4]
    assert fractional[3:5].tolist() == [0.75, 0.25]
    assert spread(torch.tensor([4.0, 31.0]), 10.0)[1, 32] == 1 / 11


def test_a_bell_has_a_sum_of_one_around_its_delay_and_ends_in_one_step() -> None:
    delay = torch.tensor([0.0, 3.25, 9.0], dtype=torch.double)
    bell = spread(delay, 1.73, "gauss")
    assert bell[:, 0].tolist() == [0, 0, 0]
    assert torch.allclose(bell.sum(1), torch.ones(3, dtype=torch.double))
    assert float(bell[1, 3] / bell[1, 6]) == pytest.approx(math.exp((1.75**2 - 1.25**2) / 8))
    assert torch.equal(spread(delay, 0.0, "gauss"), spread(delay, 0.0))
    narrow = spread(delay, 1e-9, "gauss")
    assert (narrow[[0, 2]].amax(1) > 0.99).all()
    each = spread(delay, torch.tensor([1.0, 2.0, 0.5], dtype=torch.double), "gauss")
    alone = spread(delay[1:2], 2.0, "gauss")[0]
    assert torch.allclose(each[1, : len(alone)], alone, atol=2e-3)


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_arrivals_are_the_sum_over_the_lags(sigma: float) -> None:
    r = torch.Generator().manual_seed(0)
    n, heads, steps, batch = 4, 2, 9, 3
    mask = spread(torch.rand(n, heads, generator=r, dtype=torch.double) * 5, sigma)
    y = torch.bernoulli(torch.full((steps, n, batch), 0.5, dtype=torch.double), generator=r)
    line = DelayLine(KernelMix(), torch.ones(heads, 1, dtype=torch.double), mask, y)
    for t in range(steps):
        expected = torch.zeros(n, heads, batch, dtype=torch.double)
        for lag in range(1, min(t, mask.shape[2] - 1) + 1):
            expected += mask[:, :, lag, None] * y[t - lag][:, None]
        assert torch.allclose(line.current(t), expected.sum(1), rtol=1e-12, atol=1e-12)
        assert torch.allclose(line.arrived[t], expected, rtol=1e-12, atol=1e-12)
        line.send(t, y[t])


def test_a_window_covers_the_slots_that_hold_a_share() -> None:
    mask = torch.tensor([[[0.0, 0, 0.25, 0.5, 0.25, 0]], [[0.0, 1, 0, 0, 0, 0]]])
    windows = Windows(mask)
    assert windows.first.tolist() == [[2], [1]]
    assert windows.shape == (2, 1, 3)
    assert windows.shares.tolist() == [0.25, 0.5, 0.25, 1, 0, 0]
