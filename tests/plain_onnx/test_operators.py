"""Operators that the compiler knows, and what is said of the others."""

from __future__ import annotations

import onnx
import pytest
from helpers import refusal
from onnx import TensorProto, helper

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.operators import (
    INSTEAD,
    name_of,
    refuse_unknown,
    supported,
    why_refused,
)
from delrec_compile.plain_onnx.rewrites.nodes import Known


def test_operators_of_the_compiler() -> None:
    known = supported()
    assert {"MatMul", "Tanh", "Where", "Conv"} <= {*known}
    assert not {"LSTM", "GRU", "Loop", "Scan"} & {*known}


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("mine", 1)]
    return helper.make_model(helper.make_graph(nodes, "g", [x], []), opset_imports=opsets)


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_would_do_is_said(kind: str) -> None:
    node = helper.make_node(kind, ["x"], ["y"])
    why, instead = why_refused(node, [], Known({}, {}, {}, 18)) or ("", "")
    assert why == f"no kernel for {kind}"
    assert instead == INSTEAD[kind]
    assert name_of(node) == "y"


def test_the_first_is_named_and_the_others_counted() -> None:
    nodes = [
        helper.make_node("Add", ["a", "a"], ["b"]),
        helper.make_node("Odd", ["b"], ["c"], "here"),
        helper.make_node("Own", ["c"], ["d"], domain="mine"),
    ]
    message = r"node 'here' \(Odd\): no kernel for Odd; .*; 1 more nodes are refused: --dry-run"
    with refusal(UnsupportedError, message, 4):
        refuse_unknown(model(*nodes), ["Add"])
    with refusal(UnsupportedError, "an operator of domain 'mine'; export the step in standard", 4):
        refuse_unknown(model(*nodes[2:]), ["Add"])
    refuse_unknown(model(*nodes[:1]), ["Add"])


def test_a_node_that_is_taken_apart_needs_kernels_of_its_parts() -> None:
    node = helper.make_node("Celu", ["x"], ["y"])
    known = Known({}, {}, {}, 18)
    assert why_refused(node, ["Exp", "Div", "Sub", "Min", "Max", "Mul", "Add"], known) is None
    assert why_refused(node, ["Exp", "Div", "Sub", "Min", "Max", "Mul"], known) == (
        "no kernel for Add",
        "compute it from other operators, or leave it out of the step",
    )
