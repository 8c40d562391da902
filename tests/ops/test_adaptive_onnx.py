"""The ONNX functions of adaptive neurons compute their references, in every form."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from fixtures.ops import KeptNodes
from onnx import helper
from onnx.reference import ReferenceEvaluator

from delrec_compile.ops import adlif, alif
from delrec_compile.ops.adaptive import Adaptive
from delrec_compile.ops.adlif import Adlif
from delrec_compile.ops.alif import Alif
from delrec_compile.ops.lif_onnx import FIRES
from delrec_compile.ops.nodes import Node
from delrec_compile.ops.refractory import WAITS

RNG = np.random.default_rng(11)
STEPS = (0, 2)
NEURONS: list[Adaptive] = [
    Alif(0.25, 0.75, 0.5, 1.25, -0.5, 0.75, refractory=steps, fires=fires, reset=reset)
    for fires, reset, steps in product(FIRES, alif.RESETS, STEPS)
]
NEURONS += [
    Adlif(0.25, 0.75, -0.5, 0.5, 1.25, -0.5, 0.75, steps, fires, reset, order)
    for fires, reset, order, steps in product(FIRES, adlif.RESETS, adlif.ORDERS, STEPS)
]


@pytest.mark.parametrize("neuron", NEURONS, ids=lambda neuron: neuron.form)
def test_the_nodes_compute_the_reference_and_tell_the_neuron(neuron: Adaptive) -> None:
    nodes = KeptNodes()
    spikes, new = neuron.write_nodes(nodes, "current", {name: name for name in neuron.states})
    constants = {f"c_{name}": value for name, value in neuron.constants().items()}
    state = {k: RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8 for k in ("v", "a", "w")}
    state["refractory"] = RNG.integers(-1, 4, (9, 8)).astype(np.float32)
    state = {name: state[name] for name in neuron.states}
    current = RNG.integers(-12, 16, (9, 8)).astype(np.float32) / 8
    values = {"current": current, **state, **constants}
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, value.shape)
        for name, value in values.items()
    ]
    outputs = [helper.make_tensor_value_info(n, 1, None) for n in (spikes, *new.values())]
    functions = [onnx.parser.parse_function(text) for text in neuron.onnx]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.delrec", 1)]
    graph = helper.make_graph(nodes.nodes, neuron.kind, ports, outputs)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)
    have = ReferenceEvaluator(model).run(None, values)
    want, after = neuron.reference(current, state)
    np.testing.assert_array_equal(have[0], want)
    for value, name in zip(have[1:], new, strict=True):
        np.testing.assert_array_equal(value, after[name])
    assert 0 < want.mean() < 1
    [written] = nodes.nodes
    again, taken = type(neuron).from_node(_read(written, values))
    assert taken == "current"
    assert again.attributes() == neuron.attributes()


def _read(node: onnx.NodeProto, values: dict[str, Any]) -> Node:
    def unknown(_: Any) -> Node:
        raise AssertionError("the current has no maker")

    return Node(node.op_type, list(node.input), {}, lambda name: values[name], unknown)


def test_each_model_has_a_function_with_and_without_the_period() -> None:
    for kind in (Alif, Adlif):
        names = [onnx.parser.parse_function(text).name for text in kind.onnx]
        assert names == list(kind.nodes)
        assert {name.removesuffix(WAITS) for name in names} < set(names)
