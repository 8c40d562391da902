"""The ONNX function of a Loihi neuron computes its reference."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.onnx_nodes import EVERYWHERE, computed

from delrec_compile.ops.loihi import Loihi
from delrec_compile.ops.loihi_onnx import ONNX

RNG = np.random.default_rng(11)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_the_nodes_compute_the_reference() -> None:
    decays = RNG.integers(0, 4097, (2, 64))
    neuron = Loihi(*decays, RNG.integers(1, 90, 64), RNG.integers(-9, 9, 64))
    values = {"current": RNG.integers(-300, 400, (40, 64)).astype(np.float32)}
    for name in neuron.states:
        size = RNG.choice([4.0, 2.0**7, 2.0**16.9], (40, 64))
        values[name] = (np.floor(RNG.normal(0, 0.3, (40, 64)) * size * 64) / 64).astype(np.float32)
    for k, name in enumerate(values):
        values[name][k, :5] = np.nan, np.inf, -np.inf, 1e31, -1e31
    spikes, *state = computed(neuron, values)
    want, after = neuron.reference(values["current"], {n: values[n] for n in neuron.states})
    for mine, other in zip((spikes, *state), (want, *after.values()), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert 0 < want.mean() < 1


def test_the_operators_are_those_that_every_engine_has() -> None:
    function = onnx.parser.parse_function(ONNX)
    assert {node.op_type for node in function.node} <= EVERYWHERE | {"Abs", "Floor", "Neg"}
