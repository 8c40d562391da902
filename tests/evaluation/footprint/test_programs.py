"""The programs of a footprint."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace
from pathlib import Path

import cases
import pytest
from helpers import refusal

from delrec_compile.artifact.manifest import load_artifact
from delrec_compile.errors import CompilerCrash, ToolchainError
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


def test_a_program_that_does_not_link_skips_its_row_but_for_the_first(
    artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A system may lack a static C library; without the first row there is nothing to compare with."""

    def crash(*_: object, **__: object) -> None:
        raise CompilerCrash("cannot find -lc")

    monkeypatch.setattr(toolchain, "run_cc", crash)
    network = checkpoint.load("conv_delay_256")
    artifact = load_artifact(artifacts["conv_delay_256"])
    for name in ("static", "static_musl"):
        made = make_program(artifact, network, name, tmp_path)
        assert (made.name, made.skipped) == (name, "cannot find -lc")
    with refusal(CompilerCrash, "cannot find -lc", 9):
        make_program(artifact, network, "shared", tmp_path)


def test_a_machine_without_a_known_c_library_skips_its_row(
    artifacts: dict[str, Path], tmp_path: Path
) -> None:
    artifact = load_artifact(artifacts["conv_delay_256"])
    other = replace(artifact, manifest=replace(artifact.manifest, machine="vax"))
    made = make_program(other, checkpoint.load("conv_delay_256"), "static_musl", tmp_path)
    assert made.skipped == "no static C library is known for vax"


def test_a_baseline_that_is_not_installed_skips_its_row(
    artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def absent(package: str) -> None:
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(importlib.metadata, "files", absent)
    artifact, network = load_artifact(artifacts["conv_delay_256"]), cases.network("conv3")
    made = make_program(artifact, network, "onnxruntime", tmp_path)
    assert made.skipped == "onnxruntime is not installed; pip install onnxruntime"
