"""ONNX Runtime as a runner."""

from __future__ import annotations

from collections.abc import Callable

import cases
import numpy as np
import onnx
import pytest
from helpers import refusal
from onnx import numpy_helper

from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step import file
from delrec_compile.network.onnx_step.schema import StepModel, read_model
from delrec_compile.runners import onnxruntime
from delrec_compile.runners.onnxruntime import OnnxRunner
from delrec_compile.runners.reference import ReferenceRunner


@pytest.mark.parametrize("unroll", [1, 3])
def test_outputs_and_spikes_of_the_reference(
    unroll: int, in_onnx: Callable[..., OnnxRunner]
) -> None:
    """Also where the steps are no multiple of those of one call."""
    x = cases.counts(cases.CASES["mixed"], steps=10)
    want = ReferenceRunner(cases.network("mixed")).trace(x)
    got = in_onnx("mixed", "portable", unroll).trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    assert len(got.spikes) == len(want.spikes)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        assert have.dtype == np.uint8
        np.testing.assert_array_equal(have, wanted)


def changed(exported: Callable[..., onnx.ModelProto], change: Callable[..., None]) -> StepModel:
    model = onnx.ModelProto()
    model.CopyFrom(exported("mixed"))
    change(model)
    return read_model(model)


def far(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.name == "l1_at")
    at = numpy_helper.to_array(tensor).copy()
    at[3] = 10**6
    tensor.CopyFrom(numpy_helper.from_array(at, "l1_at"))


def circular(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


REFUSED: dict[str, Callable[[onnx.ModelProto], None]] = {
    "index": far,
    "circle": circular,
    "version": lambda model: setattr(model, "ir_version", 99),
    "opset": lambda model: setattr(model.opset_import[0], "version", 99),
    "operator": lambda model: setattr(model.graph.node[0], "op_type", "Pwn"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_engine_refuses_is_one_line(
    name: str, exported: Callable[..., onnx.ModelProto]
) -> None:
    with refusal(ModelError, "ONNX Runtime refuses the graph .*; export it again", 3):
        OnnxRunner(changed(exported, REFUSED[name])).trace(np.ones((2, 1, 14), np.float32))


ENDLESS = """
<ir_version: 9, opset_import: ["" : 18]>
endless (float[1,2] x, float[1,2] past_a) => (float[1,2] y, float[1,2] present_a)
<int64 trips = {4611686018427387904}, bool on = {1}>
{
    present_a = Add (past_a, x)
    y = Loop (trips, on, present_a)
        <body = b (int64 i, bool c, float[1,2] v) => (bool d, float[1,2] w)
        { d = Identity (c) w = Mul (v, v) }>
}
"""


def test_a_loop_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "CALL_LIMIT_S", 0.2)
    model = onnx.parser.parse_model(ENDLESS)
    session = onnxruntime.onnx_session(model.SerializeToString())
    feed = {name: np.ones((1, 2), np.float32) for name in ("x", "past_a")}
    with refusal(ModelError, "took more than 0.2 s and was ended: its loop has no end", 3):
        onnxruntime.run_step(session, None, feed, file.may_not_end(model))


def test_a_loop_that_fails_by_itself_is_no_loop_without_end() -> None:
    session = onnxruntime.onnx_session(onnx.parser.parse_model(ENDLESS).SerializeToString())
    with pytest.raises(ModelError, match="ONNX Runtime refuses the graph") as caught:
        onnxruntime.run_step(session, None, {"x": np.ones((1, 2), np.float32)}, True)
    assert "no end" not in str(caught.value)
