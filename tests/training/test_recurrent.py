"""Trainable recurrences: their delays, spreads, heads, and the ops that they become."""

from __future__ import annotations

from dataclasses import replace
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
from delrec_compile.training.recurrent import make


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
# options of channel_conv
CHANNELS: dict[str, dict[str, Any]] = {
    "zero": {},
    "circular": {"edges": "circular"},
    "dilated": {"dilation": 2},
    "both": {"edges": "circular", "dilation": 3},
}


@pytest.mark.parametrize("options", CHANNELS.values(), ids=CHANNELS)
def test_an_orthogonal_kernel_makes_no_spikes_larger(options: dict[str, Any]) -> None:
    own: dict[str, Any] = {"recurrence": "channel_conv", "channels": 3, "kernel": 5, **options}
    made = make(small(**own, init="orthogonal"))
    assert made is not None
    weight = made.weight.detach()
    rows = weight.flatten(1)
    assert torch.allclose(rows @ rows.T / rows[0].square().sum(), torch.eye(3), atol=1e-6)
    one = replace(made.frozen(), delay=np.zeros(24, np.int32))  # type: ignore[type-var]
    matrix = one.reference(np.eye(24, dtype=np.float32)[:, None])
    assert np.linalg.norm(matrix, 2) == pytest.approx(1, abs=1e-5)
    assert isinstance(one, ChannelConvDelay)
    assert (one.edges, one.dilation[1]) == (own.get("edges", "zero"), own.get("dilation", 1))
    assert one.kernel.shape == (3, 3, 5)


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
