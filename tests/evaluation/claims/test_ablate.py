"""Delays zeroed and shuffled."""

from __future__ import annotations

import numpy as np
from fixtures.training import small, toy_sets

from delrec_compile.evaluation.claims.ablate import delays_matter, with_delays
from delrec_compile.network.classify import accuracy
from delrec_compile.network.model import ConvDelay
from delrec_compile.training.loop import train


def test_delays_are_zeroed_and_shuffled_among_neurons() -> None:
    network = train(toy_sets(), small(heads=2, epochs=4, lr=1e-2)).network
    test = toy_sets().test
    recurrence = network.layers[1].recurrence
    assert isinstance(recurrence, ConvDelay)
    without, among = with_delays(network, None), with_delays(network, 0)
    assert without is not None
    assert among is not None
    zero, mixed = without.layers[1].recurrence, among.layers[1].recurrence
    assert isinstance(zero, ConvDelay)
    assert isinstance(mixed, ConvDelay)
    assert not zero.delay.any()
    assert not np.array_equal(mixed.delay, recurrence.delay)
    # a neuron keeps its heads together
    assert sorted(mixed.delay.T.tolist()) == sorted(recurrence.delay.T.tolist())
    assert np.array_equal(zero.kernel, recurrence.kernel)
    found = delays_matter(network, test)
    assert found["zeroed"] == accuracy(without, test.counts, test.labels)
    assert found["shuffled"] == accuracy(among, test.counts, test.labels)
    assert delays_matter(train(toy_sets(), small(recurrence="none")).network, test) == {}
