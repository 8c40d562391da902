"""The torch step: the bits of the NumPy reference, and membranes before the reset."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import torch

from delrec_compile.network.torch_step import Step


@pytest.mark.parametrize("name", ["mixed", "count_readout", "linear_readout", "own_soft"])
def test_a_step_equals_the_reference(name: str) -> None:
    network = cases.network(name)
    step = Step(network)
    state, mine = step.reset(2), network.reset(2)
    for x in cases.counts(cases.CASES[name], batch=2)[:12]:
        y, spikes, membranes, state = step.inside(torch.from_numpy(x), state)
        want, mine = network.step(x, mine)
        np.testing.assert_array_equal(y.numpy(), want)
        for s, m, layer in zip(spikes, membranes, network.layers, strict=True):
            fires = layer.lif.is_at_threshold(m.numpy(), np.float32(layer.lif.threshold))
            np.testing.assert_array_equal(s.numpy() > 0, fires)
    for variable, value in zip(step.names, state, strict=True):
        np.testing.assert_array_equal(value.numpy(), mine[variable])
