"""Trainable recurrences: their delays, spreads, heads, and the ops that they become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.training import run, small

from delrec_compile.network import grid
from delrec_compile.network.model import Conv2dDelay, ConvDelay, SynapticDelay, TapConvDelay
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.training.delay_lines import spread
from delrec_compile.training.model import SpikingNet


def test_learned_spread_learns_and_goes_with_the_freeze() -> None:
    net = SpikingNet(12, 3, small(spread="learned"))
    (recurrence,) = net.recurrences()
    net.spread_to(2.0)
    assert torch.equal(recurrence.mask(), spread(recurrence.delay, 2.0).transpose(0, 1))
    recurrence.mask().square().sum().backward()
    assert recurrence.width is not None
    assert recurrence.width.grad is not None
    assert recurrence.width.grad.any()
    assert any(p is recurrence.width for p in net.timing())
    assert all(p is not recurrence.width for p in net.weights())
    net.freeze_delays()
    assert net.timing() == []
    assert torch.equal(recurrence.mask().sum(2), torch.ones(24, 1))
    losses = [e.loss for e in run(spread="learned", epochs=3, lr=1e-2).history]
    assert losses[-1] < losses[0]


MAPS: dict[str, tuple[dict[str, Any], type, int]] = {
    "synaptic": ({}, SynapticDelay, 2 * 24 * 24),
    "tap_conv": ({"channels": 3, "taps": 3}, TapConvDelay, 3 * 3 * 3 + 3),
    "conv2d": ({"channels": 2, "height": 3, "taps": 2}, Conv2dDelay, 2 * 2 * 2 * 9),
    "channel_conv": ({"channels": 3}, ChannelConvDelay, 3 * 3 * 3 + 24),
}


@pytest.mark.parametrize("recurrence", MAPS)
def test_every_recurrence_trains(recurrence: str) -> None:
    options, kind, parameters = MAPS[recurrence]
    result = run(recurrence=recurrence, lr=1e-2, epochs=3, **options)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.9 * losses[0]
    assert isinstance(result.network.layers[1].recurrence, kind)
    assert result.recurrent_parameters == parameters
    assert result.network.name == f"{recurrence}_delay_24"
    assert grid.exact(result.network)
    assert result.network.max_delay <= 6


def test_tap_delays_learn_and_can_stay_real() -> None:
    start = torch.linspace(0, 5, 3).tolist()
    whole = run(recurrence="tap_conv", taps=3, delay_lr=0.5).network.layers[1].recurrence
    real = run(recurrence="tap_conv", taps=3, delay_lr=0.5, whole_delays=0)
    recurrence = real.network.layers[1].recurrence
    assert isinstance(whole, TapConvDelay)
    assert isinstance(recurrence, TapConvDelay)
    assert whole.delay.tolist() != start
    assert len(recurrence.delay) > len(whole.delay)


def test_heads_train_each_with_its_own_kernel_and_delays() -> None:
    result = run(heads=2)
    assert result.history[1].loss < result.history[0].loss
    assert result.recurrent_parameters == 2 * (3 + 24)
    assert result.network.name == "conv_delay_24_2_heads"
    recurrence = result.network.layers[1].recurrence
    assert isinstance(recurrence, ConvDelay)
    assert (recurrence.kernel.shape, recurrence.delay.shape) == ((2, 3), (2, 24))
    assert not np.array_equal(*recurrence.delay)


@pytest.mark.parametrize("recurrence", ["conv", "dense"])
def test_recurrence_without_delays_trains_without_spread(recurrence: str) -> None:
    result = run(recurrence=recurrence, max_delay=0)
    assert [epoch.sigma for epoch in result.history] == [0, 0]
    assert result.network.name == f"{recurrence}_24"
    (found,) = [r for _, r in result.network.recurrences()]
    assert (found.name, found.depth) == (recurrence, 1)
    assert result.recurrent_parameters == {"conv": 3, "dense": 24 * 24}[recurrence]
