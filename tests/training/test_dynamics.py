"""One step of each trainable neuron model: the bits of the frozen one, and its gradient backwards."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.training import MODELS, dynamics_of
from torch import Tensor

from delrec_compile.ops.registry import NEURONS
from delrec_compile.training.dynamics import Before, Dynamics

N, BATCH = 24, 5


def values(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def constants(dynamics: Dynamics) -> dict[str, Tensor]:
    """Constants of each neuron, with some of them at 0 and 1."""
    unit = torch.rand(N, 1, generator=torch.Generator().manual_seed(9))
    unit[0], unit[1] = 0, 1
    sized = {"threshold": 0.5 + unit, "v_reset": unit / 4 - 0.1, "gain": 0.1 + unit.flip(0)}
    sized |= {"gain_i": 0.2 + unit, "a": unit - 0.5}
    return {name: sized.get(name, unit.roll(k, 0)) for k, name in enumerate(dynamics.names)}


@pytest.mark.parametrize("name", MODELS)
def test_steps_give_the_bits_of_the_frozen_neuron(name: str) -> None:
    kind, _ = MODELS[name]
    dynamics = dynamics_of(name)
    own = constants(dynamics)
    frozen_type: Any = NEURONS[kind]
    known = {f.name for f in fields(frozen_type)}
    chosen = {k: v for k, v in vars(dynamics).items() if k in known}
    frozen = frozen_type(**{k: v[:, 0].numpy() for k, v in own.items()}, **chosen)
    state = {k: np.zeros((BATCH, N), np.float32) for k in frozen.states}
    at = Before(*(torch.zeros(N, BATCH) for _ in range(3)))
    rate = []
    for t in range(40):
        current = values(t, N, BATCH) * 1.5 + 0.3
        m, z = dynamics.step(current, at, own)
        at = Before(m, z, dynamics.spikes(m, dynamics.level(z, own)))
        spikes, state = frozen.reference(current.T.numpy(), state)
        assert np.array_equal(at.y.T.numpy(), spikes)
        other = next(k for k in state if k != "v")
        assert np.array_equal(at.z.T.numpy(), state[other])
        rate.append(spikes.mean())
    assert 0.02 < np.mean(rate) < 0.9


@pytest.mark.parametrize("name", MODELS)
def test_the_way_back_is_the_gradient_of_a_step(name: str) -> None:
    dynamics = dynamics_of(name)
    own = {k: v.double() for k, v in constants(dynamics).items()}
    draws = [values(k, N, BATCH).double().requires_grad_() for k in range(3)]
    y = (draws[1] > 0.4).double().requires_grad_()
    m, z = dynamics.step(draws[0], Before(draws[1], draws[2], y), own)
    over = m - dynamics.level(z, own)
    dm, dz, d_over = (values(50 + k, N, BATCH).double() for k in range(3))
    total = (m * dm).sum() + (z * dz).sum() + (over * d_over).sum()
    wanted = torch.autograd.grad(total, [*draws, y], allow_unused=True)
    raised = dynamics.level_gradient(d_over)
    back = dynamics.back(
        dm + d_over,
        dz if raised is None else dz + raised,
        dynamics.stays(y.detach()),
        own,
    )
    for ours, theirs in zip(back, wanted, strict=True):
        if ours is None or theirs is None:
            assert ours is None or not ours.any()
            assert theirs is None or not theirs.any()
        else:
            assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12)
