"""Operators of a line: equal to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from delrec_compile.plain_onnx.rewrites.rewrite import rewritten
from delrec_compile.plain_onnx.rewrites.single import SINGLE

NODES = {
    "Celu": [(18, "Celu (x)"), (18, "Celu <alpha = 2.5> (x)")],
    "Swish": [(24, "Swish (x)"), (24, "Swish <alpha = 0.5> (x)")],
    "LpNormalization": [
        (17, "LpNormalization <axis = 1, p = 1> (x)"),
        (22, "LpNormalization <axis = 0> (x)"),
    ],
}


@pytest.mark.parametrize(
    ("opset", "text"), [case for kind in SINGLE for case in NODES[kind]], ids=str
)
def test_equal_to_the_operator(opset: int, text: str) -> None:
    head = f'<ir_version: 10, opset_import: ["" : {opset}]>'
    model = onnx.parser.parse_model(f"{head} m (float[3,4] x) => (float[3,4] y) {{ y = {text} }}")
    apart = rewritten(model)
    assert text.split()[0] not in {n.op_type for n in apart.graph.node}
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32) * 3
    sessions = [onnxruntime.InferenceSession(m.SerializeToString()) for m in (model, apart)]
    want, got = (session.run(None, {"x": x})[0] for session in sessions)
    np.testing.assert_allclose(got, want, atol=2e-6)
