"""Operators that the compiler knows, and what is said of the others."""

from __future__ import annotations

import pytest
from helpers import refusal
from onnx import helper

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.operators import (
    INSTEAD,
    name_of,
    refuse_unknown,
    supported,
    why_refused,
)


def test_operators_of_the_compiler() -> None:
    known = supported()
    assert {"MatMul", "Tanh", "Where", "Conv"} <= {*known}
    assert not {"LSTM", "GRU", "Loop", "Scan"} & {*known}


@pytest.mark.parametrize("kind", INSTEAD)
def test_what_would_do_is_said(kind: str) -> None:
    node = helper.make_node(kind, ["x"], ["y"])
    why, instead = why_refused(node, []) or ("", "")
    assert why == f"no kernel for {kind}"
    assert instead == INSTEAD[kind]
    assert name_of(node) == "y"


def test_the_first_is_named_and_the_others_counted() -> None:
    nodes = [
        helper.make_node("Add", ["a", "a"], ["b"]),
        helper.make_node("Odd", ["b"], ["c"], "here"),
        helper.make_node("Own", ["c"], ["d"], domain="mine"),
    ]
    graph = helper.make_graph(nodes, "g", [], [])
    message = r"node 'here' \(Odd\): no kernel for Odd; .*; 1 more nodes are refused: --dry-run"
    with refusal(UnsupportedError, message, 4):
        refuse_unknown(graph, ["Add"])
    with refusal(UnsupportedError, "an operator of domain 'mine'; export the step in standard", 4):
        refuse_unknown(helper.make_graph(nodes[2:], "g", [], []), ["Add"])
    refuse_unknown(helper.make_graph(nodes[:1], "g", [], []), ["Add"])
