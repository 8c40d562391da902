"""Graphs in 8 bits by ONNX's own QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from fixtures.plain_steps import HEAD, written

from delrec_compile.plain_onnx import reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import read

pytestmark = pytest.mark.usefixtures("in_process")

HALVES = """
halves (float[N,6] x, float[N,6] past_h) => (float[N,6] y, float[N,6] present_h)
<float one = {1}, int8 zero = {0}>
{
    present_h = Add (past_h, x)
    q = QuantizeLinear (x, one, zero)
    y = DequantizeLinear (q, one, zero)
}
"""
PRODUCTS = """
products (float[1,4] x, float[1,4] past_h) => (float[1,3] y, float[1,4] present_h)
<int8[4,4] a = {1, -2, 3, 4, 5, 6, -7, 8, 9, 10, 11, -12, 127, -128, 0, 1},
 float[4] sa = {0.01, 0.02, 0.03, 0.04}, int8[4] za = {0, 0, 0, 0},
 uint8[3,4] b = {0, 1, 2, 3, 250, 251, 252, 253, 128, 129, 127, 126},
 float sb = {0.015625}, uint8 zb = {128},
 int8[2,1,3] c = {1, 2, 3, -4, -5, -6}, float sc = {0.1}, int8 zc = {0},
 int8[8,3] d = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24},
 float st = {0.0078125}, int8 zt = {0}, int64[2] flat = {1, 8}, int64[1] axis = {1}>
{
    s = Add (x, past_h)
    wa = DequantizeLinear <axis = 1> (a, sa, za)
    m = MatMul (s, wa)
    t = Tanh (m)
    q = QuantizeLinear (t, st, zt)
    present_h = DequantizeLinear (q, st, zt)
    wb = DequantizeLinear (b, sb, zb)
    g = Gemm <transB = 1> (present_h, wb)
    u = Unsqueeze (present_h, axis)
    wc = DequantizeLinear (c, sc, zc)
    v = Conv <pads = [1, 1]> (u, wc)
    f = Reshape (v, flat)
    wd = DequantizeLinear (d, sc, zc)
    h = MatMul (f, wd)
    y = Add (g, h)
}
"""


@pytest.mark.parametrize("target", ["x86_64", "portable_c"])
def test_halves_are_rounded_to_even(target: str, tmp_path: Path) -> None:
    path = written(HALVES, tmp_path / "halves.onnx")
    session = PlainSession(build_plain(path, target, out=tmp_path / "out"))
    x = np.array([[0.5, 1.5, 2.5, -0.5, -3.5, 200]], np.float32)
    np.testing.assert_array_equal(session.run(x), [[0, 2, 2, 0, -4, 127]])


def test_weights_are_stored_in_8_bits(tmp_path: Path) -> None:
    path = written(PRODUCTS, tmp_path / "step.onnx")
    built = build_plain(path, "portable_c", out=tmp_path / "out")
    x = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    np.testing.assert_allclose(
        PlainSession(built).run(x), reference.outputs_of(read(path), x), atol=1e-5, rtol=1e-5
    )
    text = (built.path / "src" / "step_tables.h").read_text()
    sizes = re.findall(r"const (\w+) step_constant_\d+\[(\d+)\]", text)
    assert {("int8_t", "16"), ("uint8_t", "12"), ("int8_t", "6"), ("int8_t", "24")} <= set(sizes)
    assert not [size for kind, size in sizes if kind == "float" and int(size) > 4]
    kernels = (built.path / "src" / "step_kernel.c").read_text()
    assert "dequantized_intermediate_ptr" not in kernels.split("fused_relax_dequantize", 1)[1]


def test_a_weight_with_another_reader_is_a_constant() -> None:
    from delrec_compile.plain_onnx.quantised import stored

    twice = PRODUCTS.replace("h = MatMul (f, wd)", "e = MatMul (f, wd)\n h = Add (e, wd_sum)")
    twice = twice.replace("y = Add", "wd_sum = ReduceSum (wd)\n y = Add")
    model = onnx.parser.parse_model(HEAD + twice)
    made, weights = stored(model)
    assert set(weights) == {"a", "b", "c"}
    assert [v.name for v in made.graph.input] == ["x", "past_h", "a", "b", "c"]
    assert weights["b"].dtype == np.uint8
    assert {t.name for t in model.graph.initializer} - {t.name for t in made.graph.initializer} == {
        *weights
    }
