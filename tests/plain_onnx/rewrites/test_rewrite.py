"""The walk over a graph: names, constants that nothing reads, and the nodes that stay."""

from __future__ import annotations

import onnx
from fixtures.plain_steps import HEAD

from delrec_compile.plain_onnx.rewrites.rewrite import by_batch_apart, rewritten

TWO = """
m (float[2] x, float[2] old) => (float[2] y) <float[2] part0 = {1, 2}, float[2] old = {3, 4}>
{ a = Celu (x) b = Celu (a) y = Add (b, part0) }
"""


def test_names_are_new_and_what_nothing_reads_is_dropped() -> None:
    made = rewritten(onnx.parser.parse_model(HEAD + TWO))
    onnx.checker.check_model(made, full_check=True)
    outs = [name for node in made.graph.node for name in node.output]
    assert len(outs) == len({*outs})
    assert {"a", "b", "y"} < {*outs}
    assert [v.name for v in made.graph.input] == ["x"]
    assert "old" not in [t.name for t in made.graph.initializer]


def test_only_the_nodes_that_are_concerned() -> None:
    model = onnx.parser.parse_model(HEAD + TWO)
    made = rewritten(model, lambda node: node.output[0] == "b")
    assert [n.op_type for n in made.graph.node].count("Celu") == 1
    assert by_batch_apart(model) is model
