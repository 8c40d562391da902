"""Statistics of the inputs of layers, against NumPy."""

from __future__ import annotations

import cases
import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.network.integer.calibration import collect_statistics, patches_of
from delrec_compile.network.integer.quantise import quantise
from delrec_compile.ops.maps import Maps


def samples(inputs: int) -> Events:
    r = np.random.default_rng(3)
    counts = r.poisson(0.7, (6, 20, inputs)).astype(np.uint8)
    return Events(counts, np.zeros(6, np.int64), None, None, 10.0)


def test_the_covariance_of_the_first_layer_is_that_of_the_data() -> None:
    network = quantise(cases.network("feed_forward"), "int16")
    events = samples(network.inputs)
    (first,) = collect_statistics(network, events)["l0"]
    x = np.minimum(events.counts, network.max_input).reshape(-1, network.inputs).astype(float)
    np.testing.assert_allclose(first.covariance[0], np.cov(x.T, bias=True), atol=1e-9)
    assert first.near.shape == (network.layers[0].size, network.inputs)


def test_a_dense_recurrence_adds_its_arriving_spikes() -> None:
    network = quantise(cases.network("mixed"), "int16")
    known = collect_statistics(network, samples(network.inputs))
    (dense,), (conv,), (readout,) = known.values()
    assert dense.covariance.shape == (1, 14 + 16, 14 + 16)
    assert conv.near.shape == (32, 16)
    assert readout.near.shape == (5, 32)


def test_a_convolution_sees_patches_and_synapses_their_own_arrivals() -> None:
    network = quantise(cases.network("frontend_2d"), "int16")
    (first,), (second,), (third,), _ = collect_statistics(network, samples(network.inputs)).values()
    assert first.covariance.shape == (2, 9, 9)
    assert first.near.shape == (4, 9)
    assert second.covariance.shape == (1, 36, 36)
    assert third.near.shape == (10, network.layers[1].size + 10)
    own = quantise(cases.network("synaptic"), "int16")
    (first,) = collect_statistics(own, samples(own.inputs))["l0"]
    assert first.near.shape == (7, 14 + 7)
    assert not first.covariance[0, :14, 14:].any()


def test_patches_are_what_the_kernel_meets() -> None:
    for maps in (Maps(2, 4, 5, (4, 1, 3, 2), (2, 1), (1, 0), 2), Maps(1, 1, 6, (2, 1, 1, 3))):
        r = np.random.default_rng(2)
        x, kernel = r.normal(size=(3, maps.inputs)), r.normal(size=maps.kernel)
        patches = patches_of(maps, x)
        rows = kernel.reshape(maps.groups, -1, patches.shape[-1])
        seen = np.einsum("bgpk,gok->bgop", patches, rows).reshape(3, -1)
        np.testing.assert_allclose(seen, maps.reference(x, kernel), atol=1e-12)
