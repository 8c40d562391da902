"""Plain steps as C sources: what they compute here and on chips, and what does not fit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from fixtures.plain_steps import ALIKE, DOUBLE, HEAD, INFINITE, LINE, SWAP, written
from helpers import refusal

from delrec_compile.artifact.flash import flash_command
from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.errors import BudgetError, UnsupportedError
from delrec_compile.plain_onnx import check, reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import read

pytestmark = pytest.mark.usefixtures("in_process")


def test_the_sources_build_with_make_alone(cell_sources: PlainArtifact) -> None:
    """C99, pedantic, without a warning; the self-test compares with ONNX Runtime's outputs."""
    flags = "CFLAGS=-O2 -Wall -Wextra -pedantic -Werror"
    line = ["make", "-s", "-C", str(cell_sources.path), "selftest", flags]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "self-test passed\n"), done.stderr
    kept = {"Makefile", "CMakeLists.txt", "library.json", "zephyr/module.yml", "test/main.c"}
    assert kept <= set(cell_sources.manifest.files)


def test_the_sources_compute_what_onnx_runtime_does(cell_sources: PlainArtifact) -> None:
    found = check.check_plain(str(cell_sources.path))
    assert (found["passed"], found["self_test"], found["differing"]) == (True, True, 0)
    assert found["max_abs_error"] < 1e-5


ALL = """
functions (float[N,6] x, float[N,6] past_h) => (float[N,6] y, float[N,6] present_h)
<float[1] third = {0.3333}, float[6] w = {0.1, -0.2, 0.3, 0.4, -0.5, 1.6},
 float[6] b = {0, 1, 2, 3, 4, 5}>
{
    a = Mul (past_h, third)
    n = LayerNormalization <axis = -1> (x, w, b)
    present_h = Add (a, n)
    c = Sin (present_h)
    d = Erf (c)
    e = Softplus (present_h)
    f = Pow (e, w)
    g = Sqrt (f)
    h = Softmax (g)
    i = Floor (e)
    j = Mod <fmod = 1> (e, b)
    k = HardSwish (present_h)
    l = Sum (d, h, i, k)
    m = IsNaN (j)
    o = Where (m, l, j)
    y = Add (l, o)
}
"""


@pytest.mark.parametrize("text", [ALL, SWAP, LINE, INFINITE, DOUBLE, ALIKE])
def test_graphs_of_many_kinds(text: str, tmp_path: Path) -> None:
    path = written(text, tmp_path / "step.onnx")
    session = PlainSession(build_plain(path, "portable_c", out=tmp_path / "out"))
    graph = read(path)
    x = np.random.default_rng(0).normal(size=(20, graph.x.elements)).astype(np.float32)
    np.testing.assert_allclose(session.run(x), reference.outputs_of(graph, x), atol=1e-5, rtol=1e-5)
    assert session.self_test()


def lstm(units: int, bins: int) -> str:
    """The architecture of DTLN's first model: two LSTMs, a dense layer, a sigmoid mask, one state."""
    rng = np.random.default_rng(0)

    def tensor(name: str, *shape: int) -> str:
        values = rng.normal(0, 0.3, np.prod(shape)).astype(np.float32)
        text = ", ".join(f"{v:.9g}" for v in values)
        return f"float[{','.join(map(str, shape))}] {name} = {{{text}}}"

    gates, u = 4 * units, units
    weights = [tensor("wa", 1, gates, bins), tensor("ra", 1, gates, u), tensor("ba", 1, 2 * gates)]
    weights += [tensor("wb", 1, gates, u), tensor("rb", 1, gates, u), tensor("bb", 1, 2 * gates)]
    weights += [tensor("wd", u, bins), tensor("bd", bins)]
    return f"""
    mask (float[1,1,{bins}] x, float[1,2,{u},2] past_s)
    => (float[1,1,{bins}] y, float[1,2,{u},2] present_s)
    <int64 zero = {{0}}, int64 one = {{1}}, int64[1] first = {{0}}, int64[1] last = {{3}},
     {", ".join(weights)}>
    {{
        s0 = Gather <axis = 1> (past_s, zero)
        s1 = Gather <axis = 1> (past_s, one)
        h0 = Gather <axis = 2> (s0, zero)
        c0 = Gather <axis = 2> (s0, one)
        h1 = Gather <axis = 2> (s1, zero)
        c1 = Gather <axis = 2> (s1, one)
        h0s = Unsqueeze (h0, first)
        c0s = Unsqueeze (c0, first)
        h1s = Unsqueeze (h1, first)
        c1s = Unsqueeze (c1, first)
        ya, ha, ca = LSTM <hidden_size = {u}> (x, wa, ra, ba, , h0s, c0s)
        va = Squeeze (ya, first)
        yb, hb, cb = LSTM <hidden_size = {u}> (va, wb, rb, bb, , h1s, c1s)
        vb = Squeeze (yb, first)
        m = MatMul (vb, wd)
        d = Add (m, bd)
        y = Sigmoid (d)
        hh = Concat <axis = 0> (ha, hb)
        cc = Concat <axis = 0> (ca, cb)
        ht = Unsqueeze (hh, last)
        ct = Unsqueeze (cc, last)
        both = Concat <axis = 3> (ht, ct)
        present_s = Transpose <perm = [1, 0, 2, 3]> (both)
    }}
    """


def test_a_speech_mask_of_two_lstms_on_a_cortex_m7(tmp_path: Path) -> None:
    path = written(lstm(16, 33), tmp_path / "mask.onnx")
    built = build_plain(path, "cortex_m7", out=tmp_path / "out")
    found = check.check_plain(str(built.path), steps=12)
    assert found["passed"]
    assert found["max_abs_error"] < 1e-5
    assert found["emulated"]["stack_bytes"] < 512
    m = built.manifest
    weights = 4 * (4 * 16 * (33 + 16 + 16 + 16 + 2) + 17 * 33)
    assert weights < m.flash_bytes < weights + 20_000
    state = 4 * 2 * 16 * 2
    assert state < m.ram_bytes < state + 4 * (3 * 33 + 12 * 64)
    assert flash_command(built).command[-1] == str(built.path / "test" / "mask.elf")


def test_a_step_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    wide = """
    wide (float[N,400] x, float[N,4] past_h) => (float[N,400] y, float[N,4] present_h)
    { present_h = Identity (past_h)\n y = MatMul (x, w) }
    """
    model = onnx.parser.parse_model(HEAD + wide.replace("{ p", "<float[400,400] w> { p"))
    weights = np.random.default_rng(0).normal(size=(400, 400)).astype(np.float32)
    del model.graph.initializer[:]
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    onnx.save(model, tmp_path / "wide.onnx")
    message = r"does not fit .* KB over its 512 KB.*its constants take 640,000 bytes.*cortex_m7"
    with refusal(BudgetError, message, 7, tmp_path):
        build_plain(tmp_path / "wide.onnx", "cortex_m55", out=tmp_path / "out")


def test_a_gpu_is_refused(tmp_path: Path) -> None:
    path = written(SWAP, tmp_path / "step.onnx")
    with refusal(UnsupportedError, "does not build for 'cuda'; allowed: .*portable_c", 4, tmp_path):
        build_plain(path, "cuda", out=tmp_path / "out")
