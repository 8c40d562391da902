"""Learned delays of what comes into a layer, against sums over the lags."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures.training import run, small
from helpers import refusal
from torch import Tensor

from delrec_compile.errors import UsageError
from delrec_compile.network import grid
from delrec_compile.network.model import DenseDelay, SynapticDelay
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.training import forward
from delrec_compile.training.delay_lines import spread
from delrec_compile.training.forward import axonal, synaptic
from delrec_compile.training.model import SpikingNet

STEPS, BATCH, INPUTS, OUTPUTS, HEADS = 11, 3, 4, 5, 2


def draw(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=torch.double).requires_grad_()


@pytest.mark.parametrize("span", [128, 4])
def test_axonal_delays_are_the_sum_over_the_lags(
    span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "STEPS", span)
    x, delay = draw(0, STEPS, INPUTS, BATCH), draw(1, HEADS, INPUTS)
    found, wanted = [], []
    for out in (found, wanted):
        lags = spread(delay * 6, 1.0)[..., 1:]
        got = axonal(x, lags) if out is found else slow(x, lags)
        cost = draw(2, *got.shape).detach()
        out += [got, *torch.autograd.grad((got * cost).sum(), [x, delay])]
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def slow(x: Tensor, lags: Tensor) -> Tensor:
    """Delayed values (T, M * N, B), head after head."""
    out = torch.zeros(STEPS, HEADS, INPUTS, BATCH, dtype=torch.double)
    for t in range(STEPS):
        for lag in range(min(t + 1, lags.shape[2])):
            out[t] = out[t] + x[t - lag] * lags[:, :, lag, None]
    return out.flatten(1, 2)


def test_synaptic_delays_are_the_sum_over_the_lags() -> None:
    x, delay, weight = (
        draw(0, STEPS, INPUTS, BATCH),
        draw(1, OUTPUTS, INPUTS),
        draw(2, OUTPUTS, INPUTS),
    )
    found, wanted = [], []
    for out in (found, wanted):
        lags = spread(delay * 6, 1.0, "gauss")[..., 1:]
        if out is found:
            got = synaptic(x, weight, lags)
        else:
            rows = []
            for t in range(STEPS):
                terms = [
                    (weight * lags[:, :, lag]) @ x[t - lag]
                    for lag in range(min(t + 1, lags.shape[2]))
                ]
                rows.append(torch.stack(terms).sum(0))
            got = torch.stack(rows)
        cost = draw(3, *got.shape).detach()
        out += [got, *torch.autograd.grad((got * cost).sum(), [x, weight, delay])]
    for ours, theirs in zip(found, wanted, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-11, atol=1e-12)


FORWARD: dict[str, tuple[dict[str, Any], type]] = {
    "axonal heads of the inputs": (
        {"forward": "dense_delay", "forward_heads": 2, "forward_layers": "inputs"},
        DenseDelay,
    ),
    "dcls": (
        {"forward": "synaptic_delay", "recurrence": "none", "interpolation": "gauss"},
        SynapticDelay,
    ),
    "a frontend": (
        {"forward": "channel_conv_delay", "frontend": "3x3/2,2x3"},
        ChannelConvDelay,
    ),
}


@pytest.mark.parametrize("name", FORWARD)
def test_every_forward_delay_trains(name: str) -> None:
    options, kind = FORWARD[name]
    result = run(epochs=3, frozen_tail=0.4, lr=1e-2, forward_delay=5, **options)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.7 * losses[0]
    assert [epoch.sigma > 0 for epoch in result.history] == [True, True, False]
    network = result.network
    assert grid.exact(network)
    into = [each.synapses for _, each in network.projections() if each.source != "x"]
    first = [each.synapses for _, each in network.projections() if each.source == "x"]
    assert all(isinstance(each, kind) for each in first)
    assert isinstance(into[0], kind) == (options.get("forward_layers") != "inputs")
    assert network.name.endswith(f"_forward_{options['forward']}")


def test_delays_go_where_they_are_asked_for() -> None:
    def where(**options: Any) -> list[bool]:
        net = SpikingNet(12, 3, small(recurrence="none", **options))
        return [each.delay is not None for each in [*net.layers, net]]

    assert where(forward="dense_delay") == [True, True, True]
    assert where(forward="dense_delay", forward_layers="inputs") == [True, False, False]
    assert where(forward="synaptic_delay", forward_layers="hidden") == [False, True, True]
    assert where(forward="synaptic_delay", readout="pool") == [True, True, False]
    assert where(forward="dense_delay", frontend="2x3") == [False, True, True, True]
    with refusal(UsageError, "forward_layers 'hidden': nothing here takes such delays", 2):
        where(forward="channel_conv_delay", forward_layers="hidden", frontend="2x3")


def test_delays_learn_within_their_range_and_end_whole() -> None:
    net = SpikingNet(12, 3, small(forward="synaptic_delay", forward_delay=4))
    for r in net.timed():
        with torch.no_grad():
            r.delay += 9.7
    net.clamp_delays()
    net.freeze_delays()
    assert net.timing() == []
    assert {float(r.delay.max()) for r in net.timed()} == {4.0, 6.0}
