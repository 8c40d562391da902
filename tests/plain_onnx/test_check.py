"""The artifact of a plain step against ONNX Runtime: differences are located, tolerances hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.plain_steps import GROWS, written

from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.errors import ParityError
from delrec_compile.plain_onnx import check, reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.session import PlainSession

pytestmark = pytest.mark.usefixtures("in_process")


def test_a_cell_of_somebody_gives_what_onnx_runtime_gives(cell: PlainArtifact) -> None:
    found = check.check_plain(str(cell.path))
    assert found["passed"]
    assert found["self_test"]
    assert (found["values"], found["differing"]) == (200 * 4 * 2, 0)
    assert found["max_abs_error"] < 1e-5
    assert {v.name for v in cell.manifest.state} == {"past_h", "past_n"}


def test_an_infinite_output_is_no_near_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = build_plain(written(GROWS, tmp_path / "step.onnx"), out=tmp_path / "out")
    run = PlainSession.run
    monkeypatch.setattr(PlainSession, "run", lambda self, x: np.nan_to_num(run(self, x)))
    assert check.check_plain(str(built.path), steps=20)["differing"]


def test_a_difference_is_told_with_its_place(
    cell: PlainArtifact, monkeypatch: pytest.MonkeyPatch
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
