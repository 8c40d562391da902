"""The ONNX functions of an alpha neuron compute its reference, for every reset."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.onnx_nodes import EVERYWHERE, computed

from delrec_compile.ops.alpha import RESETS, Alpha
from delrec_compile.ops.alpha_onnx import ONNX
from delrec_compile.ops.lif import FIRES

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("fires", FIRES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_the_nodes_compute_the_reference(fires: str, reset: str) -> None:
    neuron = Alpha(0.75, 0.25, 2.0, 1.25, fires, reset)
    values = {}
    for k, name in enumerate(("current", *neuron.states)):
        values[name] = RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8
        values[name][k, :5] = np.nan, np.inf, -np.inf, 1e31, -1e31
    spikes, *state = computed(neuron, values)
    want, after = neuron.reference(values["current"], {n: values[n] for n in neuron.states})
    for mine, other in zip((spikes, *state), (want, *after.values()), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert 0 < want.mean() < 1


def test_the_operators_are_those_that_every_engine_has() -> None:
    functions = [onnx.parser.parse_function(text) for text in ONNX]
    assert {node.op_type for function in functions for node in function.node} <= EVERYWHERE
