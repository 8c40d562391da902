"""Statistics of the inputs of layers, against NumPy."""

from __future__ import annotations

import cases
import numpy as np

from delrec_compile.data.events import Events
from delrec_compile.network.integer.calibration import collect_statistics
from delrec_compile.network.integer.quantise import quantise


def samples(inputs: int) -> Events:
    r = np.random.default_rng(3)
    counts = r.poisson(0.7, (6, 20, inputs)).astype(np.uint8)
    return Events(counts, np.zeros(6, np.int64), None, None, 10.0)


def test_the_covariance_of_the_first_layer_is_that_of_the_data() -> None:
    network = quantise(cases.network("feed_forward"), "int16")
    events = samples(network.inputs)
    first = collect_statistics(network, events)[0]
    x = np.minimum(events.counts, network.max_input).reshape(-1, network.inputs).astype(float)
    np.testing.assert_allclose(first.covariance, np.cov(x.T, bias=True), atol=1e-9)
    assert first.near.shape == (network.layers[0].size, network.inputs)


def test_a_dense_recurrence_adds_its_arriving_spikes() -> None:
    network = quantise(cases.network("mixed"), "int16")
    dense, conv, readout = collect_statistics(network, samples(network.inputs))
    assert dense.covariance.shape == (14 + 16, 14 + 16)
    assert conv.near.shape == (32, 16)
    assert readout.near.shape == (5, 32)
