"""`python -m benchmarks.sweep`: what it runs, and what it compares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import sweep
from delrec_compile.data.sets import load_sets


def test_sweeps_take_turns_and_their_networks_are_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def timed(folder: Path, out: Path, workers: int) -> tuple[float, float, list[str]]:
        assert not out.exists()
        assert len(load_sets(folder).train) == 80
        assert "seed = [0, 1]" in (folder / "sweep.toml").read_text()
        asked.append(workers)
        return 8.0 / workers, 8.0, ["a", "c" if len(asked) == 8 else "b"]

    monkeypatch.setattr(sweep, "timed", timed)
    line = ["--runs", "2", "--samples", "80", "--rounds", "2"]
    assert sweep.main(line) == 0
    told = json.loads(capsys.readouterr().out)
    assert asked == [2, 1, 1, 2]
    assert told["times_as_fast"] == 2.0
    assert told["same_networks"]
    assert sweep.main(line) == 6  # one of the next four differs
    assert not json.loads(capsys.readouterr().out)["same_networks"]


def test_a_sweep_is_timed(tmp_path: Path) -> None:
    sweep.write_data(tmp_path, 80)
    (tmp_path / "sweep.toml").write_text("hidden = 8\nepochs = 1\n[sweep]\nseed = [0]\n")
    seconds, cpu, digests = sweep.timed(tmp_path, tmp_path / "out", 1)
    assert seconds > 0
    assert cpu > 0
    assert len(digests) == 1
