"""The ONNX functions of a LIF neuron compute its reference, in every form."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.neuron import check_nodes
from fixtures.ops import KeptNodes
from onnx import helper
from onnx.reference import ReferenceEvaluator

from delrec_compile.ops.lif import ALL_RESETS, FIRES, Lif
from delrec_compile.ops.lif_onnx import ONNX

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("gain", [1.0, 0.75])
@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("fires", FIRES)
def test_the_nodes_compute_the_reference(fires: str, reset: str, gain: float) -> None:
    neuron, nodes = Lif(0.25, 1.25, -0.5, gain, fires, reset), KeptNodes()
    spikes, new = neuron.write_nodes(nodes, "current", {"v": "v"})
    values = {f"c_{name}": value for name, value in neuron.constants().items()}
    values |= {k: RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8 for k in ("current", "v")}
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
        for name, value in values.items()
    ]
    outputs = [helper.make_tensor_value_info(n, 1, None) for n in (spikes, new["v"])]
    functions = [onnx.parser.parse_function(text) for text in ONNX]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.delrec", 1)]
    graph = helper.make_graph(nodes.nodes, "lif", ports, outputs)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)
    have = ReferenceEvaluator(model).run(None, values)
    want, after = neuron.reference(values["current"], {"v": values["v"]})
    np.testing.assert_array_equal(have[0], want)
    np.testing.assert_array_equal(have[1], after["v"])
    assert 0 < want.mean() < 1


@pytest.mark.parametrize("fires", FIRES)
def test_the_nodes_of_a_refractory_period_compute_the_reference(fires: str) -> None:
    check_nodes(Lif(0.25, 1.25, -0.5, 0.75, fires, refractory=2), RNG)
