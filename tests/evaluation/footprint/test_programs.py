"""The programs of a footprint."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import ToolchainError
from delrec_compile.evaluation.footprint.programs import make_program
from delrec_compile.network import checkpoint
from delrec_compile.system import toolchain


def test_a_missing_compiler_skips_its_row(
    artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    skipped = make_program(artifact, network, "static_musl", tmp_path).skipped
    assert skipped is not None
    assert "pip install" in skipped
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with refusal(ToolchainError, "no C compiler found", 5):
        make_program(artifact, network, "shared", tmp_path)
