"""What TVM makes of a plain step: kernels, calls and memory."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from fixtures.plain_steps import CELL, HALVES, HEAD, written
from helpers import refusal

from delrec_compile.errors import ModelError, UnsupportedError
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.lower import lower
from delrec_compile.plain_onnx.step_graph import read

pytestmark = pytest.mark.usefixtures("in_process")


def test_a_type_that_c_has_not_is_refused(tmp_path: Path) -> None:
    path = written(HALVES, tmp_path / "step.onnx")
    with refusal(UnsupportedError, "computes in float16", 4, tmp_path):
        build_plain(path, out=tmp_path / "out")


def test_an_operator_without_a_kernel_is_refused(tmp_path: Path) -> None:
    model = onnx.parser.parse_model(HEAD + CELL)
    model.graph.node[2].op_type, model.graph.node[2].domain = "Strange", "somebody"
    model.opset_import.append(onnx.helper.make_opsetid("somebody", 1))
    onnx.save(model, tmp_path / "strange.onnx")
    with pytest.raises((UnsupportedError, ModelError), match="Strange"):
        build_plain(tmp_path / "strange.onnx", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_step_is_a_straight_line_of_kernels(tmp_path: Path) -> None:
    program = lower(read(written(CELL, tmp_path / "cell.onnx")))
    assert {s.name for s in program.of("state")} == {"past_h", "past_n"}
    assert sorted(a.size for a in program.constants.values()) == [1, 8, 12, 16]
    assert {c.kernel for c in program.calls} == set(program.functions)
    filled = {"x", "past_h", "past_n", *program.constants}
    for call in program.calls:  # nothing is read before it is written
        assert {s.name for s in call.reads} <= filled
        filled |= {s.name for s in call.writes}
    assert set(program.results) == {"y", "present_h", "present_n"}
    assert program.ports["past_h"].elements == 4
