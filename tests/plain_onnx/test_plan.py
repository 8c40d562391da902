"""Plans of plain steps: every tensor and node, those that are refused with what would do."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from fixtures.plain_steps import CELL, DOUBLE, GRU, INFINITE, written
from helpers import refusal

from delrec_compile.errors import ModelError, UnsupportedError
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.plan import plan_build

pytestmark = pytest.mark.usefixtures("in_process")


def test_a_step_that_builds(tmp_path: Path) -> None:
    plan = plan_build(written(CELL, tmp_path / "cell.onnx"))
    assert plan.ok
    assert [(p.name, p.kind) for p in plan.parts][:4] == [
        ("x", "input"),
        ("past_h -> present_h", "state"),
        ("past_n -> present_n", "state"),
        ("y", "output"),
    ]
    assert [p.kind for p in plan.parts[4:]] == ["MatMul", "MatMul", "Add", "Tanh", "MatMul", "Add"]
    assert all(p.becomes and not p.refused for p in plan.parts)
    assert not plan.remarks


def test_what_is_refused_is_named_with_what_would_do(tmp_path: Path) -> None:
    path = written(
        GRU.replace("hidden_size = 2", "hidden_size = 2, clip = 1.0"), tmp_path / "g.onnx"
    )
    plan = plan_build(path)
    assert (plan.ok, plan.exit_code) == (False, 4)
    (part,) = plan.refused
    assert (part.kind, part.refused) == ("GRU", "a clip of what enters the gates")
    message = r"node 'y' \(GRU\): a clip of what enters the gates; train without it"
    with refusal(UnsupportedError, message, 4, tmp_path):
        build_plain(path, out=tmp_path / "out")


def test_functions_of_float64_are_refused_where_there_is_no_c_library(tmp_path: Path) -> None:
    text = DOUBLE.replace("present_a = Max (s, low)", "e = Exp (s)\n present_a = Max (e, low)")
    path = written(text, tmp_path / "d.onnx")
    assert plan_build(path, "x86_64").ok
    (part,) = plan_build(path, "stm32h7").refused
    assert (part.kind, part.instead) == ("Exp", "cast to float32 before it")
    message = r"node 'e' \(Exp\): in float64 it needs a C library"
    with refusal(UnsupportedError, message, 4, tmp_path):
        build_plain(path, "portable_c", out=tmp_path / "out")


def test_what_is_taken_apart_says_its_parts(tmp_path: Path) -> None:
    plan = plan_build(written(GRU, tmp_path / "gru.onnx"))
    assert plan.ok
    assert [p.kind for p in plan.parts] == ["input", "state", "output", "GRU"]
    assert re.match(r"\d+ nodes \(Add, .*MatMul, .*Sigmoid, .*Tanh\), parts", plan.parts[3].becomes)


def test_numbers_that_are_none_are_remarked(tmp_path: Path) -> None:
    plan = plan_build(written(INFINITE, tmp_path / "m.onnx"))
    assert plan.remarks == ("odd[0, 0] is nan: outputs that use it are no numbers",)


def test_other_targets_and_files_are_refused_first(tmp_path: Path) -> None:
    path = written(CELL, tmp_path / "cell.onnx")
    with refusal(UnsupportedError, "does not build for 'cuda'; allowed: arm_cpu", 4, tmp_path):
        plan_build(path, "cuda")
    with refusal(ModelError, "none.onnx: no such file", 3):
        plan_build(tmp_path / "none.onnx")


def test_functions_are_taken_apart(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 18, "own" : 1]> '
        "g (float[N,2] x, float[N,2] past_a) => (float[N,2] y, float[N,2] present_a) "
        "{ present_a = own.Twice (past_a)  y = Add (present_a, x) } "
        '<domain: "own", opset_import: ["" : 18]> Twice (a) => (b) { b = Add (a, a) }'
    )
    onnx.save(model, tmp_path / "f.onnx")
    plan = plan_build(tmp_path / "f.onnx")
    assert [p.kind for p in plan.parts[3:]] == ["Add", "Add"]
    assert plan.ok
