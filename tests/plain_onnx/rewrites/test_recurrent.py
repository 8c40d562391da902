"""LSTM, GRU and RNN taken apart compute what ONNX Runtime's own nodes do."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from delrec_compile.plain_onnx.rewrites.nodes import Known, RefusedError
from delrec_compile.plain_onnx.rewrites.recurrent import GATES
from delrec_compile.plain_onnx.rewrites.rewrite import rewritten, taken_apart

HIDDEN, INPUTS, BATCH = 4, 3, 2


def random(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def layer(
    kind: str, steps: int = 1, bias: bool = True, holes: bool = False, opset: int = 17, **own: Any
) -> onnx.ModelProto:
    """A graph of one recurrent node."""
    ways, gates = 1 + (own.get("direction") == "bidirectional"), GATES[kind]
    size, by_batch = gates * HIDDEN, own.get("layout", 0)
    arrays = {"w": random(ways, size, INPUTS), "r": random(ways, size, HIDDEN)}
    arrays |= {"b": random(ways, 2 * size)} if bias else {}
    arrays |= {"p": random(ways, 3 * HIDDEN)} if holes else {}
    state = [BATCH, ways, HIDDEN] if by_batch else [ways, BATCH, HIDDEN]
    shapes = {"x": [BATCH, steps, INPUTS] if by_batch else [steps, BATCH, INPUTS], "h": state}
    shapes |= {"c": state} if kind == "LSTM" else {}
    y = [BATCH, steps, ways, HIDDEN] if by_batch else [steps, ways, BATCH, HIDDEN]
    outs = {"y": y, **{f"{n}_out": state for n in shapes if n != "x"}}
    names = ["x", "w", "r", "b" if bias else "", "", *list(shapes)[1:], *(["p"] if holes else [])]
    node = helper.make_node(kind, names, list(outs), hidden_size=HIDDEN, **own)
    infos = [
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in side.items()]
        for side in (shapes, outs)
    ]
    tensors = [numpy_helper.from_array(a, n) for n, a in arrays.items()]
    graph = helper.make_graph([node], "g", *infos, tensors)
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def results(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
    return list(onnxruntime.InferenceSession(model.SerializeToString()).run(None, feed))


CASES: dict[str, dict[str, Any]] = {
    "one step": {},
    "steps": {"steps": 3},
    "backwards": {"steps": 3, "direction": "reverse"},
    "both ways": {"steps": 3, "direction": "bidirectional"},
    "no bias": {"bias": False},
    "old opset": {"opset": 9},
    "by batch": {"steps": 2, "layout": 1},
}
OF_KIND = [
    ("GRU", {"linear_before_reset": 1}),
    ("GRU", {"steps": 2, "linear_before_reset": 1, "direction": "bidirectional"}),
    ("LSTM", {"holes": True}),
    ("LSTM", {"activations": ["Sigmoid", "Relu", "Softsign"]}),
    ("RNN", {"activations": ["Relu"]}),
]


@pytest.mark.parametrize(
    ("kind", "own"), [*((k, c) for k in GATES for c in CASES.values()), *OF_KIND], ids=str
)
def test_equal_to_the_node(kind: str, own: dict[str, Any]) -> None:
    model = layer(kind, **own)
    apart = rewritten(model)
    onnx.checker.check_model(apart, full_check=True)
    assert not {n.op_type for n in apart.graph.node} & {*GATES}
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input
    }
    feed = {name: random(*shape) for name, shape in shapes.items()}
    # ONNX Runtime has no layout 1
    run = ReferenceEvaluator(model).run(None, feed) if own.get("layout") else results(model, feed)
    for want, got in zip(run, results(apart, feed), strict=True):
        np.testing.assert_allclose(got, want, atol=3e-6)


def test_what_is_computed_from_weights_alone_is_a_constant() -> None:
    kinds = [n.op_type for n in rewritten(layer("LSTM")).graph.node]
    assert (kinds.count("MatMul"), kinds.count("Transpose")) == (1, 0)


@pytest.mark.parametrize(
    ("own", "why"),
    [
        ({"clip": 3.0}, "a clip"),
        ({"input_forget": 1}, "coupled input and forget gates"),
        ({"activations": ["HardSigmoid", "Tanh", "Tanh"]}, "the activations Hardsigmoid"),
        ({"steps": 65}, "over 65 time steps; at most 64 are unrolled"),
    ],
    ids=str,
)
def test_what_is_not_taken_apart_is_refused(own: dict[str, Any], why: str) -> None:
    model = layer("LSTM", **own)
    refused = taken_apart(model.graph.node[0], Known.of(model))
    assert isinstance(refused, RefusedError)
    assert why in refused.reason


def test_lengths_and_extents_that_are_not_known() -> None:
    model = layer("GRU", steps=2)
    model.graph.node[0].input[4] = "lengths"
    lengths = numpy_helper.from_array(np.array([2, 2], np.int32), "lengths")
    model.graph.initializer.append(lengths)
    assert not isinstance(taken_apart(model.graph.node[0], Known.of(model)), RefusedError)
    lengths = numpy_helper.from_array(np.array([2, 1], np.int32), "lengths")
    model.graph.initializer[-1].CopyFrom(lengths)
    refused = taken_apart(model.graph.node[0], Known.of(model))
    assert "lengths of its own in 'lengths'" in str(refused)
    refused = taken_apart(model.graph.node[0], Known({}, {}, {}, 17))
    assert "the extents of 'x' are not known; export it with fixed extents" in str(refused)
