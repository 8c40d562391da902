"""What is known of a graph, and nodes that are collected in the place of one."""

from __future__ import annotations

import numpy as np
import onnx
from fixtures.plain_steps import HEAD
from onnx import helper

from delrec_compile.plain_onnx.rewrites.nodes import Known, Nodes, attributes, evaluated

TEXT = """
m (float[2,3] x) => (float[K,3] y) <float[3] w = {1, 2, 3}>
{ c = Constant <value_ints = [4, 5]> () a = Mul (x, w) y = Abs (a) }
"""


def test_shapes_and_constants() -> None:
    known = Known.of(onnx.parser.parse_model(HEAD + TEXT))
    assert (known.shapes["a"], known.shapes["w"], known.opset) == ((2, 3), (3,), 18)
    assert known.constants["c"].tolist() == [4, 5]
    assert known.dtypes["c"] == onnx.TensorProto.INT64


def test_nodes_of_constants_are_constants() -> None:
    nodes = Nodes("n", Known({}, {}, {"w": np.array([1.0, 2.0], np.float32)}, 18))
    doubled = nodes.add("Mul", "w", nodes.constant(2.0))
    assert not nodes.nodes
    out = nodes.add("Add", "x", doubled, out="y")
    assert (out, [n.op_type for n in nodes.nodes]) == ("y", ["Add"])
    value = nodes.value_of(doubled)
    assert value is not None
    assert value.tolist() == [2.0, 4.0]
    assert nodes.value_of("x") is None
    assert len({*nodes.constants}) == len(nodes.constants)


def test_attributes_are_python_values() -> None:
    node = helper.make_node("LSTM", [], [], direction="reverse", activations=["Tanh"], clip=2.0)
    assert attributes(node) == {"direction": "reverse", "activations": ["Tanh"], "clip": 2.0}


def test_what_the_evaluator_has_not_stays_a_node() -> None:
    node = helper.make_node("Strange", ["a"], ["b"])
    assert evaluated(node, {"a": np.zeros(1)}, 18) is None
    assert evaluated(helper.make_node("Neg", ["a"], ["b"]), {}, 18) is None
