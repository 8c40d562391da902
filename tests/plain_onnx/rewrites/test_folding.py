"""What constants decide is computed before the graph is imported."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from fixtures.plain_steps import HEAD

from delrec_compile.plain_onnx.rewrites.folding import folded

BRANCH = """
m (float[2,3] x) => (float[2,3] y)
<int64 rows = {ROWS}, int64 zero = {0}, float w = {2}>
{
    s = Shape (x)
    n = Gather (s, zero)
    on = Equal (n, rows)
    y = If (on) <then_branch = t () => (float[2,3] u)
                     <float v = {3}> { a = Mul (x, v) u = Mul (a, w) },
                 else_branch = e () => (float[2,3] u) { u = Neg (x) }>
}
"""


@pytest.mark.parametrize(("rows", "kinds"), [(2, ["Mul", "Mul"]), (5, ["Neg"])])
def test_the_branch_that_shapes_decide(rows: int, kinds: list[str]) -> None:
    model = onnx.parser.parse_model(HEAD + BRANCH.replace("ROWS", str(rows)))
    made = folded(model)
    onnx.checker.check_model(made, full_check=True)
    assert [n.op_type for n in made.graph.node] == [*kinds, "Identity"]
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    want, got = (
        onnxruntime.InferenceSession(m.SerializeToString()).run(None, {"x": x})[0]
        for m in (model, made)
    )
    np.testing.assert_array_equal(got, want)


def test_what_is_drawn_or_quantised_stays() -> None:
    text = (
        "m (float[2] x) => (float[2] y) <int8[2] q = {1, 2}, float s = {0.5}> "
        "{ w = DequantizeLinear (q, s) z = Neg (s) a = Mul (x, w) y = Add (a, z) }"
    )
    kinds = [n.op_type for n in folded(onnx.parser.parse_model(HEAD + text)).graph.node]
    assert kinds == ["DequantizeLinear", "Mul", "Add"]
