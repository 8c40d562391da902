"""Random samples at which networks fire: in the wanted range, layer by layer, and again the same."""

from __future__ import annotations

from dataclasses import replace

import cases
import numpy as np
import pytest

from delrec_compile.network.drive import HIGH, LOW, drive, firing_rates
from delrec_compile.network.model import Layer, Lif, Network
from delrec_compile.ops.registry import make_readout
from delrec_compile.runners.reference import ReferenceRunner


def chain(*weights: float, inputs: int = 8, size: int = 16, max_input: int = 1) -> Network:
    """Layers whose weights all have one value."""
    layers, width = [], inputs
    for weight in weights:
        matrix = np.full((size, width), weight, np.float32)
        layers.append(Layer(matrix, np.zeros(size, np.float32), Lif(0.5)))
        width = size
    readout = make_readout("leaky", np.ones((2, size)), np.zeros(2), 0.5)
    return Network(tuple(layers), readout, max_input=max_input)


@pytest.mark.parametrize("weight", [8.0, 1.0, 0.5, 0.25])
def test_the_density_is_found_for_weights_of_any_size(weight: float) -> None:
    found = drive(chain(weight))
    assert LOW <= found.rate <= HIGH
    assert found.samples.counts.shape == (8, 100, 8)


def test_rates_are_those_of_the_reference() -> None:
    network = cases.network("mixed")
    found = drive(network)
    x = np.ascontiguousarray(found.samples.counts.transpose(1, 0, 2), np.float32)
    spikes = ReferenceRunner(network).trace(x).spikes
    assert found.rates == pytest.approx([float(s.mean()) for s in spikes])
    assert found.rate == pytest.approx(np.concatenate(spikes, axis=2).mean())


@pytest.mark.parametrize("name", ["heads", "all_kinds", "recurrent_maps", "counts", "gain"])
def test_every_layer_of_every_case_fires(name: str) -> None:
    found = drive(cases.network(name))
    assert not found.silent_layers
    assert found.fires


def test_inputs_grow_denser_until_the_last_layer_fires() -> None:
    network = chain(0.4, 0.04)
    sparse = drive(network, density=0.02)
    assert sparse.silent_layers == (1,)
    assert not drive(network).silent_layers


def test_a_network_that_nothing_makes_fire_is_told() -> None:
    found = drive(chain(0.01))
    assert not found.fires
    assert found.silent_layers == (0,)


def test_a_large_count_is_used_where_the_network_takes_one() -> None:
    found = drive(chain(0.02, max_input=255))
    assert LOW <= found.rate <= HIGH
    assert found.samples.counts.max() > 1


def test_a_given_density_and_seed_are_kept() -> None:
    network = chain(1.0)
    found = drive(network, density=0.33, seed=7, samples=2)
    assert str(found) == "2 random samples of 100 steps, density 0.33, seed 7"
    assert np.array_equal(
        found.samples.counts, drive(network, density=0.33, seed=7).samples.counts[:2]
    )


def test_samples_are_longer_than_the_longest_delay() -> None:
    assert drive(cases.network("delay_300")).samples.steps == 350


def test_the_same_network_gives_the_same_samples() -> None:
    first, second = (drive(replace(chain(1.0), name=name)) for name in ("a", "b"))
    assert np.array_equal(first.samples.counts, second.samples.counts)


def test_rates_of_an_empty_input_are_0() -> None:
    network = chain(1.0, 1.0)
    rates, rate = firing_rates(network, np.zeros((2, 5, 8), np.uint8))
    assert (rates, rate) == ((0.0, 0.0), 0.0)
