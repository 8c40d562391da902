"""The command `report`: its files, its line, its refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from delrec_compile.cli import app
from delrec_compile.errors import InputError


def run(*words: str) -> int:
    return app._exit_code(["report", *words])


def test_a_page_is_written_with_its_command(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--sample", "1") == 0
    text = (tmp_path / "report.html").read_text()
    line = "delrec-compile report conv_delay_256 --html report.html --sample 1"
    assert line in text
    assert f"report.html: {len(text.encode()):,} bytes" in capsys.readouterr().out
    assert run("--html", "report.html") == InputError.exit_code
    assert "report.html exists; add --force" in capsys.readouterr().err
    assert run("--html", "report.html", "--force", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "delrec.report/1"
    assert told["files"] == {"report.html": (tmp_path / "report.html").stat().st_size}


def test_a_folder_that_is_no_artifact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(tmp_path), "--html", str(tmp_path / "r.html")) == InputError.exit_code
    assert "a folder without an artifact" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_a_card_and_a_picture_alone(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--md", "card.md", "--png", "a.png", "--license", "mit") == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "card.md"]
    assert (tmp_path / "card.md").read_text().startswith('---\nlicense: "mit"\n')
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert run("--md", "b.md") == 0
    assert 'license: "apache-2.0"' in (tmp_path / "b.md").read_text()  # of the bundled network
    capsys.readouterr()
