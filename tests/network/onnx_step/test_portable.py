"""The portable graph: no copies, no output twice, no constant twice, nothing unused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx.reference import ReferenceEvaluator

from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step.portable import _constant, to_portable

TEXT = """
<ir_version: 9, opset_import: ["" : 18]>
g (float[2] x, float[2] past) => (float[2] present, float[2] y, float[2] kept)
{
    two = Constant <value_float: float = 2.0> ()
    also_two = Constant <value_float: float = 2.0> ()
    unused = Constant <value_float: float = 3.0> ()
    same = Identity (x)
    doubled = Mul (same, two)
    sum = Add (doubled, past)
    again = Mul (sum, also_two)
    present = Identity (again)
    y = Identity (again)
    kept = Identity (past)
}
"""


def test_a_graph_without_its_copies_computes_the_same() -> None:
    """A second output of a value is a node of its own; a copy of an input stays."""
    model = onnx.parser.parse_model(TEXT)
    flat = to_portable(onnx.parser.parse_model(TEXT))
    onnx.checker.check_model(flat, full_check=True)
    assert [n.op_type for n in flat.graph.node] == ["Mul", "Add", "Mul", "Mul", "Identity"]
    assert len(flat.graph.initializer) == 1
    feed = {"x": np.float32([1, 2]), "past": np.float32([3, 4])}
    want, got = (ReferenceEvaluator(m).run(None, feed) for m in (model, flat))
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(got, [[10, 16], [10, 16], [3, 4]])


@pytest.mark.parametrize("unroll", [1, 4])
def test_an_exported_step_copies_nothing(
    unroll: int, exported: Callable[..., onnx.ModelProto]
) -> None:
    graph = exported("mixed", "portable", unroll).graph
    assert not [n.output[0] for n in graph.node if n.op_type == "Identity"]
    read = {name for node in graph.node for name in node.input}
    assert {t.name for t in graph.initializer} <= read


@pytest.mark.parametrize("name", ["mixed", "own_alif", "cuba_lif", "loihi", "graph_shared"])
def test_what_heals_a_membrane_compares_no_two_negative_numbers(
    name: str, exported: Callable[..., onnx.ModelProto]
) -> None:
    """MNN takes two negative numbers of a Less for integers."""
    graph = exported(name, "portable", 1).graph
    negative = {t.name for t in graph.initializer if (onnx.numpy_helper.to_array(t) < 0).any()}
    sizes = {n.output[0] for n in graph.node if n.op_type == "Abs"}
    for node in graph.node:
        if node.op_type == "Less" and negative & set(node.input):
            assert sizes & set(node.input), node.name


def test_constants_of_every_form() -> None:
    make = onnx.helper.make_node
    assert _constant(make("Constant", [], ["c"], value_float=0.5)) == np.float32(0.5)
    assert _constant(make("Constant", [], ["c"], value_ints=[1, 2])).tolist() == [1, 2]
    with pytest.raises(ModelError, match="constant 'c' has the unknown form 'value_strings'"):
        _constant(make("Constant", [], ["c"], value_strings=["x"]))
