"""The options of samples: on every command that runs any, repeated in its next line."""

from __future__ import annotations

import cases
import numpy as np
import pytest
import typer

from delrec_compile.cli.app import app
from delrec_compile.cli.inputs import OPTIONS, InputOptions, calibration, chosen, named
from delrec_compile.data.samples import read_samples

NETWORK = cases.network("mixed")
COMMANDS = ("bench", "build", "check", "compare", "footprint", "import", "run", "tune")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_runs_samples_has_the_options(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--input", "-i", "--steps", "--align-first-spike", "--lead"} <= flags
    assert "--dt-ms" in flags


def test_options_are_repeated_as_they_were_given() -> None:
    assert InputOptions().repeated() == ()
    given = InputOptions("a b.h5", 3, 40, 2.5, False, 1)
    words = "--input|a b.h5|--steps|40|--lead|1|--dt-ms|2.5|--no-align-first-spike"
    assert "|".join(given.repeated()) == words
    assert InputOptions(align_first_spike=True).repeated() == ("--align-first-spike",)
    assert set(OPTIONS) == set(InputOptions.__dataclass_fields__)


def test_a_line_on_stderr_says_what_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    samples = chosen(NETWORK, InputOptions(limit=3))
    said = capsys.readouterr()
    assert said.err.startswith("inputs: 8 random samples of 100 steps, density ")
    assert said.out == ""
    assert len(samples) == 3


def test_a_child_reads_the_same_samples() -> None:
    with named(NETWORK, InputOptions("random:5", limit=2)) as name:
        assert np.array_equal(
            read_samples(name).counts, chosen(NETWORK, InputOptions("random:5", 2)).counts
        )


def test_calibration_is_read_as_inputs_are(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibration(NETWORK, None, InputOptions()) is None
    found = calibration(NETWORK, "random", InputOptions())
    assert found is not None
    assert capsys.readouterr().err.startswith("calibration: 8 random samples")
