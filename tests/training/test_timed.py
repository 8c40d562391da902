"""Delays that learn: their range, their spread, their frozen form."""

from __future__ import annotations

import torch
from fixtures.training import small

from delrec_compile.training.delay_lines import spread
from delrec_compile.training.timed import Timed


def test_delays_have_a_spread_until_they_are_frozen() -> None:
    timed = Timed(small(spread="learned", interpolation="gauss"), torch.tensor([[0.4, 7.0]]), 5)
    timed.spread_to(2.0)
    assert torch.equal(
        timed.shares(), spread(timed.delay, 2 * 2.0 * torch.full((1, 2), 0.5), "gauss")
    )
    timed.clamp()
    assert torch.equal(timed.delay.detach(), torch.tensor([[0.4, 5.0]]))
    timed.freeze()
    assert timed.frozen_delay().tolist() == [[0, 5]]
    assert timed.timing() == []
    assert timed.shares().sum(-1).tolist() == [[1, 1]]


def test_delays_that_are_all_zero_do_not_learn() -> None:
    timed = Timed(small(), torch.zeros(1, 3), 0)
    timed.spread_to(3.0)
    assert (timed.sigma, timed.timing()) == (0.0, [])
