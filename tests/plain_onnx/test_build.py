"""Plain ONNX steps: state paired by name, TVM's own kernels, ONNX Runtime as the reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import runs
from fixtures.command import cli
from helpers import called_here, refusal

from delrec_compile.artifact.manifest import Artifact, load_artifact
from delrec_compile.cli.build import build as build_command
from delrec_compile.errors import (
    DataError,
    InputError,
    ModelError,
    ParityError,
    UnsupportedError,
    UsageError,
)
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.plain_onnx import check, reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.c_text import members
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import graph_of, read
from delrec_compile.runners.session import Session
from delrec_compile.system import child

HEAD = '<ir_version: 9, opset_import: ["" : 18]>\n'
CELL = """
cell (float[N,3] x, float[N,4] past_h, int64[N,1] past_n)
=> (float[N,2] y, float[N,4] present_h, int64[N,1] present_n)
<float[3,4] w = {0.5, -1, 2, 0.25, 1, 1, -0.5, 0.75, -2, 0.1, 0.3, 1},
 float[4,4] u = {0.1, 0.2, 0.3, 0.4, -0.1, 0.2, -0.3, 0.4, 1, 0, 0, 0, 0, 0, 0.5, 0},
 float[4,2] r = {1, 2, 3, 4, 5, 6, 7, 8}, int64[1] one = {1}>
{
    a = MatMul (x, w)
    b = MatMul (past_h, u)
    c = Add (a, b)
    present_h = Tanh (c)
    y = MatMul (present_h, r)
    present_n = Add (past_n, one)
}
"""
# what was past_a goes on as past_b, and the other way round
SWAP = """
swap (float[N,2] x, float[N,2] past_a, float[N,2] past_b)
=> (float[N,2] present_b, float[N,2] y, float[N,2] present_a)
{
    sum = Add (past_a, x)
    y = Sub (sum, past_b)
    present_a = Identity (past_b)
    present_b = Identity (past_a)
}
"""
LINE = """
line (float[N,2] x, float[N,2] past_a, float[N,2] past_b)
=> (float[N,2] y, float[N,2] present_a, float[N,2] present_b)
{
    y = Identity (past_b)
    present_a = Identity (x)
    present_b = Identity (past_a)
}
"""
STATE_FIRST = """
late (float[N,2] past_a, float[N,2] x) => (float[N,2] present_a, float[N,2] y)
<float[1] half = {0.5}>
{
    h = Mul (past_a, half)
    present_a = Add (h, x)
    y = Sub (present_a, h)
}
"""
# `of` is a name that the compiler itself gives a constant, a result, or a local variable
TAKEN = """
taken (float[N,2] of, float[N,2] past_a) => (float[N,2] y, float[N,2] present_a)
<float[1,2] w = {3, 4}, float[2,2] q = {1, 2, 3, 4}>
{
    s = Mul (of, w)
    t = Tanh (s)
    present_a = Add (past_a, t)
    u = MatMul (t, q)
    y = Add (u, of)
}
"""
ALIKE = """
alike (float[N,2] x, float[N,2] "past_a.b", float[N,2] past_a_b)
=> (float[N,2] y, float[N,2] "present_a.b", float[N,2] present_a_b)
{
    "present_a.b" = Add ("past_a.b", x)
    present_a_b = Sub (past_a_b, x)
    y = Mul ("past_a.b", past_a_b)
}
"""
INFINITE = """
infinite (float[N,2] x, float[N,2] past_a) => (float[N,2] y, float[N,2] present_a)
<float[1,2] low = {-inf, 0}, float[1,2] odd = {nan, 1}, bool[1,2] on = {1, 0}>
{
    present_a = Max (past_a, x)
    m = Max (present_a, low)
    n = Max (present_a, odd)
    y = Where (on, m, n)
}
"""
DOUBLE = """
double (float[N,2] x, double[N,2] past_a) => (float[N,2] y, double[N,2] present_a)
<double[1,2] low = {-inf, 0.1}>
{
    d = Cast <to = 11> (x)
    s = Add (past_a, d)
    present_a = Max (s, low)
    y = Cast <to = 1> (present_a)
}
"""
# infinite from the second step on, where x was above 0
GROWS = """
grows (float[N,1] x, float[N,1] past_a) => (float[N,1] y, float[N,1] present_a)
<float[1] top = {3e38}>
{
    h = Mul (past_a, top)
    present_a = Add (h, x)
    y = Identity (present_a)
}
"""
HALVES = """
halves (float[N,2] x, float[N,2] past_a) => (float[N,2] y, float[N,2] present_a)
<float16[2,2] w = {1, 2, 3, 4}>
{
    present_a = Add (past_a, x)
    h = Cast <to = 10> (x)
    m = MatMul (h, w)
    y = Cast <to = 1> (m)
}
"""
LOGARITHM = """
logarithm (float[N,2] x, float[N,2] past_a) => (float[N,2] y, float[N,2] present_a)
{
    present_a = Add (past_a, x)
    y = Log (past_a)
}
"""


def written(text: str, path: Path) -> Path:
    onnx.save(onnx.parser.parse_model(HEAD + text), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def _here() -> Iterator[None]:
    """Compiled in this process; the commands, below, have a child for it."""
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "call", called_here)
        yield


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("cell")
    return build_plain(written(CELL, folder / "cell.onnx"), out=folder / "out")


def test_a_cell_of_somebody_gives_what_onnx_runtime_gives(cell: Artifact) -> None:
    found = check.check_plain(str(cell.path))
    assert found["passed"]
    assert found["self_test"]
    assert (found["values"], found["differing"]) == (200 * 4 * 2, 0)
    assert found["max_abs_error"] < 1e-5
    assert {v.name for v in cell.manifest.state} == {"past_h", "past_n"}


def test_state_goes_on_and_starts_afresh(cell: Artifact) -> None:
    session = PlainSession(cell.path)
    x = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    whole = session.run(x)
    assert not np.array_equal(session.run(x), whole)
    session.reset()
    parts = np.concatenate([session.run(x[:4]), session.run(x[4:])])
    np.testing.assert_array_equal(parts, whole)
    with pytest.raises(DataError, match=r"x has shape \[9\]; \[steps, 3\] is needed"):
        session.run(x[:, 0])


@pytest.mark.parametrize("text", [SWAP, LINE])
def test_state_that_becomes_other_state(text: str, tmp_path: Path) -> None:
    path = written(text, tmp_path / "step.onnx")
    session = PlainSession(build_plain(path, out=tmp_path / "out"))
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    np.testing.assert_array_equal(session.run(x), reference.outputs_of(read(path), x))


GRAPHS = {
    "state first": STATE_FIRST,
    "constant_0": TAKEN.replace("of", "constant_0"),
    "work_2_0": TAKEN.replace("of", "work_2_0"),
    "work_0_0": TAKEN.replace("of", "work_0_0"),
    "state": TAKEN.replace("of", "state"),
    "alike": ALIKE,
    "infinite": INFINITE,
    "double": DOUBLE,
    "grows": GROWS,
}


@pytest.mark.parametrize("name", GRAPHS)
def test_names_order_and_constants_of_a_graph(name: str, tmp_path: Path) -> None:
    built = build_plain(written(GRAPHS[name], tmp_path / "step.onnx"), out=tmp_path / "out")
    found = check.check_plain(str(built.path), steps=20)
    assert found["passed"]
    assert (found["differing"], found["self_test"]) == (0, True)


def test_members_have_names_of_their_own() -> None:
    names = members(["past_a.b", "past_a_b", "past_a-b", "past_a_b_"])
    assert names["past_a_b"] == "past_a_b"
    assert names["past_a_b_"] == "past_a_b_"
    assert len(set(names.values())) == 4


def test_an_infinite_output_is_no_near_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_plain(written(GROWS, tmp_path / "step.onnx"), out=tmp_path / "out")
    run = PlainSession.run
    monkeypatch.setattr(PlainSession, "run", lambda self, x: np.nan_to_num(run(self, x)))
    assert check.check_plain(str(built.path), steps=20)["differing"]


def test_an_output_that_is_never_finite_is_refused(tmp_path: Path) -> None:
    path = written(LOGARITHM, tmp_path / "step.onnx")
    with refusal(UnsupportedError, "output 'y' is -inf at the first step", 4, tmp_path):
        build_plain(path, out=tmp_path / "out")


def test_a_type_that_c_has_not_is_refused(tmp_path: Path) -> None:
    path = written(HALVES, tmp_path / "step.onnx")
    with refusal(UnsupportedError, "computes in float16", 4, tmp_path):
        build_plain(path, out=tmp_path / "out")


def test_data_beside_the_file(tmp_path: Path) -> None:
    """Read from the file's folder, wherever the command runs, and held by the artifact."""
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "cell.onnx"
    model = onnx.parser.parse_model(HEAD + CELL)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), tensor.name)
        )
    onnx.save(model, path, save_as_external_data=True, location="cell.bin", size_threshold=0)
    assert (path.parent / "cell.bin").stat().st_size
    built = build_plain(path, out=tmp_path / "out")
    (path.parent / "cell.bin").unlink()
    assert check.check_plain(str(built.path), steps=20)["passed"]
    with refusal(ModelError, "cell.bin.*keep the data files that it names beside it", 3, tmp_path):
        build_plain(path, out=tmp_path / "again")


def test_a_step_of_this_project_is_the_same_network(tmp_path: Path) -> None:
    """Its own code is the faster lane: its sums are exact, so that both give the same bits."""
    network = checkpoint.load("conv_delay_256")
    export(network, tmp_path / "step.onnx")
    built = build_plain(tmp_path / "step.onnx", out=tmp_path / "out")
    x = reference.inputs_of(read(tmp_path / "step.onnx"), 40, 1)
    state, want = network.reset(), []
    for row in x:
        y, state = network.step(row, state)
        want.append(y[0])
    assert np.abs(PlainSession(built).run(x[:, 0]) - np.stack(want)).max() < 1e-5


def test_a_difference_is_told_with_its_place(
    cell: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off(graph: object, x: np.ndarray) -> np.ndarray:
        y = reference.outputs_of(graph, x)  # type: ignore[arg-type]
        y[5, 1] += 0.01
        return np.asarray(y)

    monkeypatch.setattr(check, "outputs_of", off)
    found = check.check_plain(str(cell.path))
    assert not found["passed"]
    assert found["first"] == {"step": 5, "sequence": 0, "output": 1}
    with pytest.raises(ParityError, match="in 4 of 1600 outputs, first at sequence 0, step 5"):
        check.judge(found)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("present_n", "present_m", "the state 'past_n' has no 'present_n'|'present_m' has no"),
        (
            "float[N,4] present_h",
            "float[N,5] present_h",
            "'past_h' is .*a state comes out as it goes in",
        ),
        ("float[N,3] x", "double[N,3] x", "input 'x' is float64; float32 is needed"),
        ("float[N,3] x", "float[N,K] x", "'x' has an unknown extent at axis 1"),
        ("float[N,3] x", "float[N,3] x, float[N,3] z", r"2 inputs that are not state \(x, z\)"),
        ("float[N,2] y, ", "", "0 outputs that are not state"),
    ],
)
def test_a_step_that_is_not_paired_is_refused(old: str, new: str, why: str) -> None:
    model = onnx.parser.parse_model(HEAD + CELL.replace(old, new))
    with pytest.raises(ModelError, match=why):
        graph_of(model)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(ModelError, match="not a valid ONNX file"):
        read(tmp_path / "junk.onnx")
    with pytest.raises(ModelError, match="no such file"):
        read(tmp_path / "none.onnx")


def test_an_operator_without_a_kernel_is_refused(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(HEAD + CELL)
    model.graph.node[2].op_type, model.graph.node[2].domain = "Strange", "somebody"
    model.opset_import.append(onnx.helper.make_opsetid("somebody", 1))
    onnx.save(model, tmp_path / "strange.onnx")
    with pytest.raises((UnsupportedError, ModelError), match="Strange"):
        build_plain(tmp_path / "strange.onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_lanes_are_not_mixed_up(cell: Artifact) -> None:
    with pytest.raises(InputError, match="is a plain ONNX step; 'check', 'bench' and PlainSession"):
        Session(cell.path)
    with pytest.raises(InputError, match="plain ONNX step"):
        load_artifact(cell.path)


def test_the_commands(tmp_path: Path) -> None:
    path, out = written(CELL, tmp_path / "cell.onnx"), tmp_path / "out"
    done = cli("build", path, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["lane"], told["check"]["passed"]) == ("plain", True)
    assert cli("check", out).returncode == 0
    timed = json.loads(cli("bench", out, "--rounds", 3, "--json").stdout)
    assert timed["medians"]["plain"] > 0
    for line in (("run", out), ("footprint", out)):
        done = cli(*line)
        assert (done.returncode, "plain ONNX step" in done.stderr) == (3, True)
    done = cli("build", path, "--numeric", "int8")
    assert done.returncode == 2
    assert "--numeric does not go with a plain ONNX step" in done.stderr
    done = cli("build", path, "-t", "cortex_m4")
    assert done.returncode == 4
    assert "allowed: arm_cpu, arm_cpu_v7, x86_64" in done.stderr


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("--no-tuned", {"tuned": False}),
        ("--db", {"db": Path("store")}),
        ("--unroll", {"unroll": 2}),
        ("--dump", {"dump": Path("phases")}),
    ],
)
def test_an_option_that_a_plain_step_has_not_is_refused(
    option: str, values: dict[str, Any], tmp_path: Path
) -> None:
    with refusal(UsageError, f"{option} does not go with a plain ONNX step", 2, tmp_path):
        build_command(str(tmp_path / "step.onnx"), **values)
