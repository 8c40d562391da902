"""Surrogate derivatives: shape, area, gradients."""

from __future__ import annotations

import pytest
import torch
from fixtures.training import run

from delrec_compile.training.config import SURROGATES as NAMES
from delrec_compile.training.delay_lines import spread
from delrec_compile.training.mixes import KernelMix
from delrec_compile.training.neuron import Neuron, delayed_lif, ring_buffer_lif
from delrec_compile.training.surrogate import SURROGATES


@pytest.mark.parametrize("name", NAMES)
def test_surrogates_peak_at_the_threshold_and_hold_their_area(name: str) -> None:
    u = torch.linspace(-40, 40, 400_001, dtype=torch.double)
    slope = SURROGATES[name](u, 3.0)
    assert slope.argmax() == len(u) // 2 or name == "box"
    assert torch.allclose(slope, slope.flip(0))
    area = float(slope.sum() * (u[1] - u[0]))
    assert area == pytest.approx(2 / 3 if name == "fast_sigmoid" else 1.0, abs=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_with_every_surrogate_equal_the_ring_buffer(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(20, 9, 3, generator=generator, dtype=torch.double).requires_grad_()
    weight = torch.randn(2, 3, generator=generator, dtype=torch.double).requires_grad_()
    delay = (torch.rand(2, 9, generator=generator, dtype=torch.double) * 5).requires_grad_()
    neuron = Neuron(0.3, surrogate=name)
    mask = spread(delay, 0.7).transpose(0, 1)
    fast, ring = (
        lif(x, neuron, weight, mask, KernelMix(), 2.0) for lif in (delayed_lif, ring_buffer_lif)
    )
    assert torch.equal(fast, ring)
    cost = torch.randn(fast.shape, generator=generator, dtype=torch.double)
    inputs = [x, weight, delay]
    ours, theirs = (
        torch.autograd.grad((s * cost).sum(), inputs, retain_graph=True) for s in (fast, ring)
    )
    for one, other in zip(ours, theirs, strict=True):
        assert other.any()
        assert (one - other).abs().max() <= 1e-12 * other.abs().max()


def test_a_surrogate_changes_the_training() -> None:
    losses = {name: run(surrogate=name).history[-1].loss for name in ("atan", "triangle")}
    assert losses["atan"] != losses["triangle"]
