"""The loss of a training step: penalties and soft targets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.training import run, toy_sets

from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.training.losses import rate_cost


def test_l1_makes_kernels_small() -> None:
    sizes = []
    for l1 in (0.0, 1.0):
        recurrence = run(l1=l1, epochs=4, lr=0.02).network.layers[1].recurrence
        assert recurrence is not None
        sizes.append(np.abs(recurrence.arrays()["kernel"]).sum())
    assert sizes[1] < 0.5 * sizes[0]


def test_the_rate_penalty_lowers_rates() -> None:
    x = toy_sets().test.counts.swapaxes(0, 1).astype(np.float32)
    rates = []
    for penalty in (0.0, 30.0):
        network = run(rate_penalty=penalty, epochs=4, lr=0.02).network
        rates.append(np.mean([spikes.mean() for spikes in TorchRunner(network).trace(x).spikes]))
    assert 0 < rates[1] < 0.7 * rates[0]


def test_the_rate_cost_is_the_published_one() -> None:
    spikes = torch.zeros(10, 2, 5)
    spikes[:3, 0, 1] = 1
    assert rate_cost([spikes, torch.ones(10, 2, 5)]) == pytest.approx((0.5 * 3 / 100 + 0.5) / 2)
