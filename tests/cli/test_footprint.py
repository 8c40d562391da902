"""delrec-compile footprint: its table, its lines, and the programs that it measures."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from delrec_compile.cli import footprint as command
from delrec_compile.errors import UsageError
from delrec_compile.evaluation.footprint.measure import Footprint, FootprintRow

OPEN = importlib.import_module("delrec_compile.runners.open")
MEASURE = importlib.import_module("delrec_compile.evaluation.footprint.measure")
ROWS = (
    FootprintRow("shared", 1363149, 1.0, 0.7, 0.01, 274432, 1.0, 1.0, 1.0),
    FootprintRow("torch_eager", skipped="PyTorch is not installed; pip install torch"),
)
STATE = {
    "bytes": 3264,
    "bytes_without_padding": 3156,
    "streams": 1000,
    "resident_bytes_per_stream": 3366.0,
}
PARTS = {"file": 274432, "code": 22211, "constants": 226166, "variables": 24}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    options: dict[str, object] = {}

    def footprint(path: Path, samples: str, **rest: object) -> Footprint:
        options.update(rest, path=path)
        return Footprint(ROWS, STATE, PARTS, {"steps": 80})

    monkeypatch.setattr(MEASURE, "footprint", footprint)
    monkeypatch.setattr(OPEN, "artifact_taker", lambda path: path)
    monkeypatch.setattr(command, "chosen", lambda taker, inputs: inputs.samples)
    return options


def test_figures_have_units_and_gaps_a_reason(
    asked: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    command.footprint(path=Path("out"), rows="shared,torch_eager", rounds=3)
    assert asked["rows"] == ("shared", "torch_eager")
    assert asked["rounds"] == 3
    out = capsys.readouterr().out
    assert "1.3 MiB" in out
    assert "268 KiB" in out
    assert "state of one stream: 3,264 bytes (3,156 without padding)" in out
    assert "PyTorch is not installed; pip install torch" in out
    assert out.splitlines()[-1] == "next: delrec-compile bench out"
    command.footprint(path=Path("my out"), samples="my.npz")
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "next: delrec-compile bench 'my out' --input my.npz"


def test_json_is_the_result(asked: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    command.footprint(path=Path("out"), as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == "delrec.footprint/1"
    assert [row["name"] for row in result["rows"]] == ["shared", "torch_eager"]


def test_an_unknown_program_is_refused_before_anything_is_built(
    asked: dict[str, object],
) -> None:
    with pytest.raises(UsageError, match="sharde"):
        command.footprint(path=None, rows="sharde")
    assert not asked
