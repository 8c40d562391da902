"""Steps of LIF neurons in C have the bits of those in PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from delrec_compile.training import native
from delrec_compile.training.lif_steps import NativeSteps, TorchSteps, steps_of
from delrec_compile.training.neuron import Neuron

STEPS, N, BATCH = 12, 7, 37

NEURONS: dict[str, dict[str, Any]] = {
    "hard": {},
    "above": {"fires": "above"},
    "reset and threshold": {"v_reset": -0.3, "threshold": 0.7},
    "gain and backflow": {"gain": 0.6, "threshold": 0.5, "backflow": 0.25},
    "soft": {"reset": "soft", "threshold": 0.5},
    "soft above": {"reset": "soft", "fires": "above"},
    "soft later": {"reset": "soft_later", "threshold": 0.8},
    "soft later above": {"reset": "soft_later", "fires": "above", "threshold": 0.8},
}


def draw(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(STEPS, N, BATCH, generator=generator)
    values[0, 0, :2] = torch.tensor([1.0, 0.5])  # exactly at a threshold
    return values


@pytest.mark.parametrize("recurs", [False, True])
@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("options", NEURONS.values(), ids=NEURONS)
def test_both_forms_have_the_same_bits(
    options: dict[str, Any], learned: bool, recurs: bool
) -> None:
    neuron = Neuron(torch.linspace(0, 1, N)[:, None] if learned else 0.3, **options)
    x, current, d_y, sent = (draw(seed) for seed in range(4))
    made = []
    for form in (TorchSteps, NativeSteps):
        h, y, d_h = (torch.empty_like(x) for _ in range(3))
        steps = form(neuron, 5.0, x[0])
        for t in range(STEPS):
            steps.forward(x[t], current[t] if recurs else None, h[t], y[t])
        steps = form(neuron, 5.0, x[0])
        for t in reversed(range(STEPS)):
            steps.backward(h[t], y[t], d_y[t], sent[t] if recurs else None, d_h[t])
        made.append((h, y, d_h))
    assert 0.05 < made[0][1].mean() < 0.9
    for one, other in zip(*made, strict=True):
        assert torch.equal(one, other)


def test_the_fastest_form_that_fits_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    tile = torch.zeros(N, BATCH)
    assert isinstance(steps_of(Neuron(0.3), 5.0, tile), NativeSteps)
    assert isinstance(steps_of(Neuron(0.3), 5.0, tile.double()), TorchSteps)
    assert isinstance(steps_of(Neuron(0.3, surrogate="box"), 5.0, tile), TorchSteps)
    monkeypatch.setattr(native, "library", lambda: None)
    assert isinstance(steps_of(Neuron(0.3), 5.0, tile), TorchSteps)
