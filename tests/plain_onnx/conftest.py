"""Plain steps are compiled in this process, which has TVM loaded; one is built once for all tests."""

from __future__ import annotations

import pytest
from conftest import runs
from fixtures.plain_steps import CELL, written
from helpers import called_here

from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.system import child


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """`child.call` without a child. Not for the commands: those have a process of their own."""
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")
    monkeypatch.setattr(child, "call", called_here)


@pytest.fixture(scope="session")
def cell(tmp_path_factory: pytest.TempPathFactory) -> PlainArtifact:
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")
    folder = tmp_path_factory.mktemp("cell")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "call", called_here)
        return build_plain(written(CELL, folder / "cell.onnx"), out=folder / "out")


@pytest.fixture(scope="session")
def cell_sources(tmp_path_factory: pytest.TempPathFactory) -> PlainArtifact:
    folder = tmp_path_factory.mktemp("sources")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "call", called_here)
        return build_plain(written(CELL, folder / "cell.onnx"), "portable_c", out=folder / "out")
