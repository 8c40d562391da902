"""Constants of neurons that learn: their ranges, and what they become."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from fixtures.training import run, small

from delrec_compile.training.constants import RANGES, NeuronConstants

TRAINED: dict[str, dict[str, Any]] = {
    "cuba_lif": {"tau": 2.0, "recurrence": "dense"},
    "alif": {"reset": "adapted"},
    "adlif": {"gain": "leak", "tau": 10.0, "reset": "soft", "order": "unreset"},
}


@pytest.mark.parametrize("neuron", TRAINED)
def test_every_neuron_model_trains_its_constants(neuron: str) -> None:
    options = {"neuron": neuron, "constants": "learned", **TRAINED[neuron]}
    result = run(epochs=4, lr=1e-2, **options)
    losses = [epoch.loss for epoch in result.history]
    assert losses[-1] < 0.8 * losses[0]
    torch.manual_seed(0)
    begun = NeuronConstants(small(**options), 24).frozen()
    for layer in result.network.layers:
        assert layer.neuron.kind == neuron
        own = layer.neuron.arrays()
        assert own.keys() == RANGES[neuron].keys() | ({"gain"} if neuron == "adlif" else set())
        for name, (low, high) in RANGES[neuron].items():
            assert (own[name] >= np.float32(low)).all()
            assert (own[name] <= np.float32(high)).all()
            assert own[name].std() > 0
            assert not np.array_equal(own[name], begun.arrays()[name])


def test_a_gain_of_the_leak_follows_a_learned_beta() -> None:
    own = NeuronConstants(small(neuron="adlif", constants="learned", gain="leak", tau=9.0), 5)
    found = own.tensors()
    assert torch.equal(found["gain"], 1 - found["beta"])
    frozen = own.frozen().arrays()
    assert np.array_equal(frozen["gain"], np.float32(1) - frozen["beta"])
    found["gain"].sum().backward()
    assert torch.equal(own.learned["beta"].grad, -torch.ones(5, 1))


def test_constants_stay_in_their_range() -> None:
    own = NeuronConstants(small(neuron="cuba_lif", constants="learned"), 5)
    with torch.no_grad():
        own.learned["alpha"] += 3
    own.clamp()
    assert (own.learned["alpha"] == 1).all()
    own.tensors()["alpha"].sum().backward()
    assert own.learned["alpha"].grad.all()


def test_a_gain_of_the_leak_stays_above_zero() -> None:
    own = NeuronConstants(small(neuron="cuba_lif", constants="learned", gain="leak", tau=9.0), 5)
    with torch.no_grad():
        own.learned["alpha"] += 3
        own.learned["beta"] += 3
    arrays = own.frozen().arrays()
    assert (arrays["gain"] > 0).all()
    assert np.array_equal(arrays["gain_i"], np.float32(1) - arrays["alpha"])


def test_given_constants_are_one_number() -> None:
    own = NeuronConstants(small(neuron="adlif", a=0.25, b=0.5, tau=4.0, tau_adapt=20.0), 5)
    assert list(own.parameters()) == []
    frozen: Any = own.frozen()
    assert (frozen.a, frozen.b, frozen.beta, frozen.gain) == (0.25, 0.5, 0.75, 1.0)
    assert frozen.rho == np.float32(0.95)
