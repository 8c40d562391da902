"""The ONNX functions of a LIF neuron with a synaptic current compute its reference, in every form."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.onnx_nodes import EVERYWHERE, computed

from delrec_compile.ops import cuba_lif_onnx
from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.cuba_lif_onnx import ENTERS, ONNX
from delrec_compile.ops.lif import ALL_RESETS, FIRES

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("fires", FIRES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_the_nodes_compute_the_reference(fires: str, reset: str, enters: str) -> None:
    neuron = CubaLif(0.5, 0.25, 1.25, -0.5, 0.75, 1.5, fires, reset, enters)
    values = {}
    for k, name in enumerate(("current", "i", "v")):
        values[name] = RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8
        values[name][k, :5] = np.nan, np.inf, -np.inf, 1e31, -1e31
    have = computed(neuron, values)
    want, after = neuron.reference(values["current"], {n: values[n] for n in ("i", "v")})
    for mine, other in zip(have, (want, after["i"], after["v"]), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert 0 < want.mean() < 1


def test_the_operators_are_those_that_every_engine_has() -> None:
    functions = [onnx.parser.parse_function(text) for text in ONNX]
    assert {node.op_type for function in functions for node in function.node} <= EVERYWHERE


def test_the_new_or_the_old_current_enters() -> None:
    for enters, name in zip(ENTERS, ("i_next", "i"), strict=True):
        for reset in ALL_RESETS:
            text = cuba_lif_onnx._function(enters, reset)
            assert text in ONNX
            assert f"driven = Mul ({name}, gain)\n" in text
