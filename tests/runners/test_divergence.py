"""The first difference of two engines."""

from __future__ import annotations

import cases
import numpy as np
import pytest

from delrec_compile.runners.divergence import (
    Divergence,
    first_divergence,
    membrane_and_threshold,
)


def test_the_earliest_mismatch_is_first() -> None:
    layers = [np.zeros((5, 2, 3), bool), np.zeros((5, 2, 4), bool)]
    assert first_divergence(layers) is None
    layers[0][3, 1, 2] = layers[1][2, 1, 3] = layers[1][2, 1, 1] = True
    assert first_divergence(layers) == Divergence(1, 2, 1, 1)
    layers[0][2, 1, 0] = True
    assert first_divergence(layers) == Divergence(1, 2, 0, 0)
    layers[1][0, 0, 0] = True
    assert first_divergence(layers) == Divergence(0, 0, 1, 0)


@pytest.mark.parametrize("name", ["mixed", "own_alif"])
def test_its_neuron_has_a_membrane_and_a_threshold(name: str) -> None:
    network = cases.network(name)
    membranes = [
        np.full((2, 1, layer.size), i, np.float32) for i, layer in enumerate(network.layers)
    ]
    membranes[1][1, 0, 2] = 7
    membrane, threshold = membrane_and_threshold(network, membranes, Divergence(0, 1, 1, 2))
    assert membrane == 7
    assert threshold == float(np.broadcast_to(network.layers[1].neuron.threshold, 33)[2])
