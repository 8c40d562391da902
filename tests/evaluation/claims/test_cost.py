"""Operations, energy and rates, counted by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fixtures.training import small, toy_sets

from delrec_compile.evaluation.claims import cost as costs
from delrec_compile.evaluation.claims.ablate import delays_matter, with_delays
from delrec_compile.network.model import (
    Conv2dDelay,
    ConvDelay,
    DenseDelay,
    Layer,
    Synapses,
    SynapticDelay,
    TapConvDelay,
)
from delrec_compile.ops.channel_conv_delay import ChannelConvDelay
from delrec_compile.ops.registry import SYNAPSES
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.training.loop import train


def met(call: Any, size: int, lags: int = 0) -> float:
    """Weights of one that a spike in the middle of `size` neurons meets, at all lags together."""
    spikes = np.eye(size, dtype=np.float32)
    if not lags:
        return float(call(spikes).sum(1).max())
    total = np.zeros(size)
    for lag in range(lags):
        hist = np.zeros((size, lags, size), np.float32)
        hist[:, lag] = spikes
        total += call(hist).sum(1)
    return float(total.max())


def fans(layer: Layer) -> tuple[float, float]:
    """Of an input, and of a spike of the layer itself, by the plain reference."""
    flat = replace(layer, weight=layer.weight * 0 + 1, bias=layer.bias * 0)
    r = layer.recurrence
    if r is None:
        return met(flat.feed, layer.inputs), 0
    ones: dict[str, Any] = {name: values * 0 + 1 for name, values in r.weights.items()}
    return met(flat.feed, layer.inputs), met(replace(r, **ones).reference, r.size, r.depth)


KINDS: tuple[tuple[dict[str, Any], float], ...] = (
    ({"heads": 2}, 2 * 3),
    ({"recurrence": "dense"}, 24),
    ({"recurrence": "none"}, 0),
    ({"recurrence": "synaptic"}, 24),
    ({"recurrence": "tap_conv", "channels": 2, "taps": 3}, 3 * 3),
    ({"recurrence": "conv2d", "channels": 2, "height": 3}, 4 * 2 * 9),
    ({"frontend": "4x3"}, 3),
)


@pytest.mark.parametrize(("options", "fan"), KINDS)
def test_rates_and_costs_are_counted(options: dict[str, Any], fan: float) -> None:
    network = train(toy_sets(), small(**options)).network
    counts = toy_sets().test.counts
    x = np.ascontiguousarray(counts.swapaxes(0, 1), np.float32)
    spikes = TorchRunner(network).trace(x).spikes
    held = costs.spike_rates(network, counts)
    assert held == pytest.approx([(counts > 0).mean(), *(s.mean() for s in spikes)])
    per_step = len(x) * x.shape[1]
    fired = [(counts > 0).sum() / per_step, *(s.sum() / per_step for s in spikes)]
    met_by = [fans(layer) for layer in network.layers]
    assert met_by[-1][1] == fan
    neurons = sum(layer.size for layer in network.layers)
    macs = fired[0] * met_by[0][0] + neurons + 3
    additions = fired[-1] * 3 + sum(s * m[1] for s, m in zip(fired[1:], met_by, strict=True))
    additions += sum(s * m[0] for s, m in zip(fired[1:-1], met_by[1:], strict=True))
    dense = sum(
        layer.inputs * m[0] + layer.size * m[1]
        for layer, m in zip(network.layers, met_by, strict=True)
    )
    found = costs.cost(network, held)
    assert found.additions == pytest.approx(additions, rel=1e-5)
    assert found.macs == pytest.approx(macs, rel=1e-5)
    assert found.energy_nj == pytest.approx((4.6 * macs + 0.9 * additions) / 1000, rel=1e-5)
    assert found.dense_macs == dense + neurons + 24 * 3 + 3


def test_weights_of_a_stride_are_shared_out() -> None:
    network = train(toy_sets(), small(frontend="4x3/2")).network
    first = network.layers[0]
    assert first.size == 4 * 6
    held = costs.spike_rates(network, toy_sets().test.counts)
    macs = held[0] * 4 * 6 * 3 + 24 * 3 + 3
    assert costs.cost(network, held).macs == pytest.approx(macs)


def test_every_kind_has_a_cost_and_an_ablation() -> None:
    rng = np.random.default_rng(0)

    def some(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(np.float32)

    kinds: list[Synapses] = [
        ConvDelay(some(3), np.arange(24) % 5),
        DenseDelay(some(24, 24), np.arange(24) % 5),
        SynapticDelay(some(24, 24), rng.integers(0, 5, (24, 24))),
        TapConvDelay(some(3, 2, 3), np.array([0, 2, 4]), 12),
        Conv2dDelay(some(4, 2, 2, 3, 3), 3, 4),
        ChannelConvDelay(some(2, 2, 3), np.arange(24) % 5),
    ]
    assert {r.kind for r in kinds} == set(SYNAPSES)
    network = train(toy_sets(), small()).network
    for r in kinds:
        layer = replace(network.layers[1], recurrence=r)
        changed = replace(network, layers=(network.layers[0], layer))
        assert costs.synapses(r) == 24 * fans(layer)[1]
        zero, mixed = with_delays(changed, None), with_delays(changed, 0)
        assert zero is not None
        assert zero.max_delay == 0
        old, new = fans(layer)[1], fans(zero.layers[1])[1]
        if r.kind in ("tap_conv_delay", "conv2d_delay"):
            assert mixed is None
            # the same sum of all that a neuron gets, all of it a step after the spike
            hist = np.repeat((rng.random((2, 1, 24)) < 0.3).astype(np.float32), r.depth, 1)
            after = zero.layers[1].recurrence
            assert after is not None
            assert after.reference(hist[:, :1]) == pytest.approx(r.reference(hist), abs=1e-4)
            assert delays_matter(changed, toy_sets().test)["shuffled"] is None
        else:
            assert old == new
            assert mixed is not None
            now = mixed.layers[1].recurrence
            assert now is not None
            moved, held = now.arrays()["delay"], r.arrays()["delay"]
            assert not np.array_equal(moved, held)
            # a sending neuron keeps its delays together
            assert sorted(np.atleast_2d(moved).T.tolist()) == sorted(np.atleast_2d(held).T.tolist())
