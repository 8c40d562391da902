"""Weights of foreign models that lie on a coarse grid, so that freezing changes none of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from delrec_compile.interop.result import Imported

STEPS = 200


def on_grid(module: nn.Module, seed: int = 0, scale: float = 1.0) -> nn.Module:
    """Gives Linear and Conv layers weights in multiples of 1/64 that make spikes likely."""
    r = torch.Generator().manual_seed(seed)
    for m in module.modules():
        if isinstance(m, nn.Linear | nn.Conv1d | nn.Conv2d):
            fan = m.weight[0].numel()
            m.weight.data = grid(torch.randn(m.weight.shape, generator=r) * scale * 1.5 / fan**0.5)
            if m.bias is not None:
                m.bias.data = grid(torch.rand(m.bias.shape, generator=r) * 0.4)
    return module


def grid(values: torch.Tensor) -> torch.Tensor:
    return (values * 64).round() / 64


def same_spikes(made: Imported, least: int = 200, **options: Any) -> None:
    """Freezing changed no weight, and 200 steps give the same spikes, of which there are many."""
    for a, b in zip(made.network.spiking, made.unfrozen.spiking, strict=True):
        for ours, theirs in zip((*a.weights(), a.bias), (*b.weights(), b.bias), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    found = made.check(STEPS, **options)
    assert made.model is not None
    assert found.against == made.model.name
    assert found.spikes > least
    assert found.spikes < found.compared - least
    assert found.first is None, found
    assert found.differing == 0
