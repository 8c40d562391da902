"""The fast backward pass of the delayed LIF layer against the ring buffer under autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures.training import OTHERS, N, delays, drive, gradients, recurrent_weight

from delrec_compile.training.delay_lines import spread
from delrec_compile.training.mixes import ConvMix
from delrec_compile.training.neuron import Neuron, delayed_lif, ring_buffer_lif


@pytest.mark.parametrize("sigma", [0.0, 0.4, 3.0])
@pytest.mark.parametrize("delay_kind", ["whole", "fractional"])
@pytest.mark.parametrize(
    "kind",
    ["dense", "conv1x1", "conv3x1", "conv5x1", "conv3x2", "conv17x1", "conv27x2", *OTHERS],
)
def test_fast_spikes_and_gradients_equal_the_ring_buffer(
    kind: str, delay_kind: str, sigma: float
) -> None:
    x, (weight, mix) = drive().requires_grad_(), recurrent_weight(kind)
    heads = OTHERS[kind][1] if kind in OTHERS else 1 if kind == "dense" else len(weight)
    delay = delays(delay_kind, heads)
    inputs = [x, weight, delay]
    each = delay[:, :1].expand(-1, N) if isinstance(mix, ConvMix) else delay
    fast, ring = (
        lif(x, Neuron(0.3), weight, spread(each, sigma).transpose(0, 1), mix)
        for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    assert 0.05 < fast.mean() < 0.9
    for ours, theirs in zip(gradients(fast, inputs), gradients(ring, inputs), strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()


def test_without_recurrence_both_are_a_plain_lif() -> None:
    x = drive().requires_grad_()
    fast, ring = delayed_lif(x, Neuron(0.3)), ring_buffer_lif(x, Neuron(0.3))
    assert torch.equal(fast, ring)
    assert fast.any()
    (ours,), (theirs,) = gradients(fast, [x]), gradients(ring, [x])
    assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()


NEURONS: dict[str, dict[str, Any]] = {
    "above": {"fires": "above"},
    "reset and threshold": {"v_reset": -0.3, "threshold": 0.7},
    "gain": {"gain": 0.6, "threshold": 0.5},
    "backflow": {"backflow": 0.25},
    "soft": {"reset": "soft", "gain": 0.6, "threshold": 0.5},
    "soft later": {"reset": "soft_later", "fires": "above", "threshold": 0.8},
}


@pytest.mark.parametrize("options", NEURONS.values(), ids=NEURONS)
@pytest.mark.parametrize("kind", ["dense", "conv3x2"])
def test_gradients_of_every_neuron_equal_the_ring_buffer(
    kind: str, options: dict[str, Any]
) -> None:
    """On betas that are learned too."""
    x, (weight, mix) = drive().requires_grad_(), recurrent_weight(kind)
    delay = delays("fractional", 1 if kind == "dense" else len(weight))
    beta = torch.linspace(0, 1, N, dtype=torch.double)[:, None].requires_grad_()
    fast, ring = (
        lif(x, Neuron(beta, **options), weight, spread(delay, 1.0).transpose(0, 1), mix)
        for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    assert 0.05 < fast.mean() < 0.9
    inputs = [x, weight, delay, beta]
    for ours, theirs in zip(gradients(fast, inputs), gradients(ring, inputs), strict=True):
        assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max()
