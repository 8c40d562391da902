"""ONNX graphs in numbers."""

from __future__ import annotations

from pathlib import Path

import cases
import onnx
from fixtures.plain_steps import CELL, written

from delrec_compile.network.onnx_step.describe import describe
from delrec_compile.network.onnx_step.export import model_of


def test_a_step_of_this_project_says_what_it_is(tmp_path: Path) -> None:
    onnx.save(model_of(cases.network("conv3"), unroll=2), tmp_path / "m.onnx")
    told = describe(tmp_path / "m.onnx")
    assert told["facts"]["unroll"] == "2"
    assert told["inputs"]["x"] == "float [2, batch, 14]"
    assert told["operators"]["Less"] >= 4
    assert told["bytes"] == (tmp_path / "m.onnx").stat().st_size


def test_a_step_of_another_source(tmp_path: Path) -> None:
    told = describe(written(CELL, tmp_path / "cell.onnx"))
    assert told["facts"] == {}
    assert told["inputs"] == {
        "x": "float [N, 3]",
        "past_h": "float [N, 4]",
        "past_n": "int64 [N, 1]",
    }
    assert told["operators"] == {"MatMul": 3, "Add": 2, "Tanh": 1}
