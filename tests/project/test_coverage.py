"""`python -m benchmarks.coverage`: counts by room, and what a run in pieces keeps."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from benchmarks import coverage


def summary(branches: int, covered: int) -> dict[str, dict[str, int]]:
    counts = {"num_branches": branches, "covered_branches": covered}
    return {"summary": {**counts, "num_statements": 10, "covered_lines": 9}}


FILES = {
    "delrec_compile/network/model.py": summary(4, 3),
    "delrec_compile/network/integer/model.py": summary(4, 4),
    "delrec_compile/cli/network.py": summary(9, 0),
    "ops/lif.py": summary(2, 2),
    "tests/ops/test_lif.py": summary(5, 0),
}


def test_files_are_counted_in_their_room() -> None:
    rooms = coverage.by_room(FILES)
    assert set(rooms) == {"network", "ops"}
    assert (rooms["network"]["branches"], rooms["network"]["branches_covered"]) == (8, 7)
    assert (rooms["network"]["percent"], rooms["ops"]["percent"]) == (87.5, 100.0)
    assert list(coverage.table(rooms))[2:] == [
        "| network | 8 | 87.5 % | 90.0 % |",
        "| ops | 2 | 100.0 % | 90.0 % |",
    ]


def test_pieces_are_kept_and_a_piece_replaces_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, results = tmp_path / "kept", tmp_path / "coverage.json"
    lines: list[list[str]] = []

    def run(line: list[str], **_: object) -> CompletedProcess[str]:
        lines.append(line[3:])
        if line[3] == "run":
            (kept / f"{line[-1].replace('/', '-')}@.{len(lines)}").touch()
        if line[3] == "json":
            Path(line[-1]).write_text(json.dumps({"files": FILES}))
        return CompletedProcess(line, int("failing" in line[-1]))

    monkeypatch.setattr(coverage, "KEPT", kept)
    monkeypatch.setattr(coverage, "RESULTS", results)
    monkeypatch.setattr(coverage, "machine", dict)  # runs `uname`
    monkeypatch.setattr(coverage.subprocess, "run", run)
    assert coverage.main(["tests/ops", "tests/network"]) == 6, "87.5 % is too little"
    assert coverage.main(["tests/ops", "--write"]) == 6
    data = [p.name for p in sorted(kept.iterdir())]
    assert data == ["tests-network.tests", "tests-network@.2", "tests-ops.tests", "tests-ops@.5"]
    combined = [Path(word).name for word in lines[-2] if "@" in word]
    assert combined == ["tests-network@.2", "tests-ops@.5"]
    told = json.loads(results.read_text())
    assert (told["schema"], told["tests"]) == ("delrec.coverage/1", ["tests/network", "tests/ops"])
    assert told["rooms"]["ops"]["percent"] == 100
    monkeypatch.setattr(coverage, "LEAST", 80)
    assert coverage.main(["--json"]) == 0
    capsys.readouterr()
    assert coverage.main(["tests/failing"]) == 6
    assert capsys.readouterr().err == "error: tests of tests/failing fail\n"
    coverage.main(["--fresh", "tests/ops"])
    assert {p.name.partition("@")[0] for p in kept.iterdir()} == {"tests-ops", "tests-ops.tests"}
