"""Layers of every trainable neuron model: the fast backward pass against plain autograd."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fixtures.training import MODELS, N, delays, drive, dynamics_of, gradients, recurrent_weight
from torch import Tensor

from delrec_compile.training.delay_lines import spread
from delrec_compile.training.dynamics import Dynamics
from delrec_compile.training.unrolled import ring_buffer, unrolled

PAIRS = [(name, kind) for name in MODELS for kind in ("conv3x2", "")]
PAIRS += [("adlif", "tap_conv"), ("cuba_lif", "dense"), ("alif", "channel_conv")]


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_fast_spikes_and_gradients_equal_the_ring_buffer(name: str, kind: str) -> None:
    """Of the currents, the recurrence, its delays, and every constant of every neuron."""
    x = (drive() + 0.4).requires_grad_()
    dynamics = dynamics_of(name, backflow=0.5 if kind == "dense" else 1.0)
    own = constants(dynamics)
    inputs = [x, *(v for v in own.values() if v.requires_grad)]
    made = []
    for layer in (unrolled, ring_buffer):
        recurrent: list[Any] = []
        if kind:
            weight, mix = recurrent_weight(kind)
            delay = delays("fractional", {"tap_conv": 3, "conv3x2": 2}.get(kind, 1))
            each = delay[:, :1].expand(-1, N) if kind == "tap_conv" else delay
            recurrent = [weight, spread(each, 1.0).transpose(0, 1), mix]
        spikes = layer(x, dynamics, own, *recurrent)
        made.append((spikes, gradients(spikes, inputs + ([weight, delay] if kind else []))))
    (fast, ours), (ring, theirs) = made
    assert torch.equal(fast, ring)
    assert 0.02 < fast.mean() < 0.9
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() <= 1e-11 * other.abs().max()


def constants(dynamics: Dynamics) -> dict[str, Tensor]:
    """Constants of each neuron; all but v_reset, which no gradient reaches, want theirs."""
    unit = torch.linspace(0.1, 0.9, N, dtype=torch.double)[:, None]
    sized = {"threshold": unit + 0.3, "v_reset": unit / 4 - 0.2, "a": unit - 0.5}
    return {
        k: sized.get(k, unit.roll(i, 0)).clone().requires_grad_(k != "v_reset")
        for i, k in enumerate(dynamics.names)
    }


def test_constants_that_do_not_learn_cost_no_gradient() -> None:
    dynamics = dynamics_of("adlif")
    own = {k: torch.full((1, 1), 0.5, dtype=torch.double) for k in dynamics.names}
    own["rho"].requires_grad_()
    spikes = unrolled(drive().requires_grad_(), dynamics, own)
    (found,) = gradients(spikes, [own["rho"]])
    assert found.shape == (1, 1)
    assert found.any()
