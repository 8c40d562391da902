"""Steps are read with their state in pairs; anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import cases
import onnx
import pytest
from fixtures.plain_steps import CELL, HEAD
from helpers import refusal

from delrec_compile.errors import ModelError, UnsupportedError
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.plain_onnx import check
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.step_graph import graph_of, read

pytestmark = pytest.mark.usefixtures("in_process")


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


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("present_n", "present_m", "the state 'past_n' has no 'present_n'|'present_m' has no"),
        (
            "float[N,4] present_h",
            "float[N,5] present_h",
            "'past_h' is .*a state comes out as it goes in",
        ),
        ("float[N,3] x", "double[N,3] x", "input 'x' is float64; float32 is required"),
        ("float[N,3] x", "float[N,K] x", "'x' has an unknown extent at axis 1"),
        ("float[N,3] x", "float[N,3] x, float[N,3] z", r"2 inputs that are not state \(x, z\)"),
        ("float[N,2] y, ", "", "0 outputs that are not state"),
    ],
)
def test_a_step_that_is_not_paired_is_refused(old: str, new: str, why: str) -> None:
    model = onnx.parser.parse_model(HEAD + CELL.replace(old, new))
    with pytest.raises(ModelError, match=why):
        graph_of(model)


@pytest.mark.parametrize(("form", "unroll"), [("portable", 2), ("semantic", 1)])
def test_other_forms_of_our_own_export_are_refused(form: str, unroll: int, tmp_path: Path) -> None:
    path = tmp_path / "step.onnx"
    onnx.save(model_of(cases.network("conv3"), form, unroll), path)
    with refusal(UnsupportedError, "an export of this project .* NAME.safetensors", 4, tmp_path):
        read(path)


def test_what_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    with pytest.raises(ModelError, match="not a complete ONNX file"):
        read(tmp_path / "junk.onnx")
    with pytest.raises(ModelError, match="no such file"):
        read(tmp_path / "none.onnx")
