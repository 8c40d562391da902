"""The C around a plain step: copies of state, names, and the self-test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.plain_steps import (
    ALIKE,
    DOUBLE,
    GROWS,
    INFINITE,
    LINE,
    LOGARITHM,
    STATE_FIRST,
    SWAP,
    TAKEN,
    written,
)
from helpers import refusal

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx import check, reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import read

pytestmark = pytest.mark.usefixtures("in_process")


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


def test_an_output_that_is_never_finite_is_refused(tmp_path: Path) -> None:
    path = written(LOGARITHM, tmp_path / "step.onnx")
    with refusal(UnsupportedError, "output 'y' is -inf at the first step", 4, tmp_path):
        build_plain(path, out=tmp_path / "out")
