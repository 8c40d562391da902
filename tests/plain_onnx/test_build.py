"""Plain ONNX steps: state paired by name, TVM's own kernels, ONNX Runtime as the reference."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures.command import cli
from fixtures.plain_steps import (
    CELL,
    written,
)
from helpers import refusal
from typer.testing import CliRunner

from delrec_compile.cli.app import app
from delrec_compile.errors import (
    UsageError,
)
from delrec_compile.network import checkpoint
from delrec_compile.network.onnx_step.export import export
from delrec_compile.plain_onnx import reference
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.plain_onnx.session import PlainSession
from delrec_compile.plain_onnx.step_graph import read

pytestmark = pytest.mark.usefixtures("in_process")


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


def test_the_commands(tmp_path: Path) -> None:
    path, out = written(CELL, tmp_path / "cell.onnx"), tmp_path / "out"
    done = cli("build", path, "-o", out, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["lane"], told["check"]["passed"]) == ("plain", True)
    assert cli("check", out).returncode == 0
    timed = json.loads(cli("bench", out, "--rounds", 3, "--json").stdout)
    assert timed["medians"]["plain"] > 0
    done = cli("run", out)
    assert (done.returncode, "plain ONNX step" in done.stderr) == (3, True)


@pytest.mark.parametrize(
    "option",
    [
        ("--numeric", "int8"),
        ("--no-tuned",),
        ("--db", "store"),
        ("--unroll", "2"),
        ("--dump", "phases"),
        ("--device", "local"),
    ],
    ids=" ".join,
)
def test_an_option_that_a_plain_step_has_not_is_refused(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    result = CliRunner().invoke(app, ["build", str(tmp_path / "step.onnx"), *option])
    with refusal(UsageError, f"{option[0]} is not supported for a plain ONNX step", 2, tmp_path):
        assert result.exception is not None
        raise result.exception
