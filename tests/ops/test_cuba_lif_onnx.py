"""The ONNX functions of a LIF neuron with a synaptic current compute its reference, in every form."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import helper
from onnx.reference import ReferenceEvaluator

from delrec_compile.ops.cuba_lif import CubaLif
from delrec_compile.ops.cuba_lif_onnx import ENTERS, ONNX, threshold, under
from delrec_compile.ops.lif import ALL_RESETS, FIRES

RNG = np.random.default_rng(11)
EVERYWHERE = {"Add", "Constant", "Identity", "Less", "Mul", "Sub", "Where"}


class Nodes:
    """A `NodeWriter` that keeps its nodes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []

    def value(self, name: str) -> str:
        return name

    def constant(self, name: str) -> str:
        return f"c_{name}"

    def call(self, op: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, domain="ai.delrec", **attributes))


@pytest.mark.parametrize("enters", ENTERS)
@pytest.mark.parametrize("reset", ALL_RESETS)
@pytest.mark.parametrize("fires", FIRES)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning", "ignore:overflow:RuntimeWarning")
def test_the_nodes_compute_the_reference(fires: str, reset: str, enters: str) -> None:
    neuron = CubaLif(0.5, 0.25, 1.25, -0.5, 0.75, 1.5, fires, reset, enters)
    nodes = Nodes()
    spikes, new = neuron.write_nodes(nodes, "current", {"i": "i", "v": "v"})
    values = {f"c_{name}": value for name, value in neuron.constants().items()}
    for k, name in enumerate(("current", "i", "v")):
        drawn = RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8
        drawn[k, :5] = np.nan, np.inf, -np.inf, 1e31, -1e31
        values[name] = drawn
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
        for name, value in values.items()
    ]
    outputs = [helper.make_tensor_value_info(n, 1, None) for n in (spikes, new["i"], new["v"])]
    functions = [onnx.parser.parse_function(text) for text in ONNX]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.delrec", 1)]
    graph = helper.make_graph(nodes.nodes, "cuba_lif", ports, outputs)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)
    have = ReferenceEvaluator(model).run(None, values)
    want, after = neuron.reference(values["current"], {name: values[name] for name in new})
    for mine, other in zip(have, (want, after["i"], after["v"]), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert 0 < want.mean() < 1


def test_the_operators_are_those_that_every_engine_has() -> None:
    functions = [onnx.parser.parse_function(text) for text in ONNX]
    assert {node.op_type for function in functions for node in function.node} <= EVERYWHERE


@pytest.mark.parametrize("fires", FIRES)
def test_the_threshold_comes_back(fires: str) -> None:
    want = np.float32([1.0, 0.1, 3e-5, 0.0, -2.0])
    np.testing.assert_array_equal(threshold(under(want, fires), fires), want)
    assert (under(want, fires) <= want).all()
