"""Plain steps are compiled in this process, which has TVM loaded; one is built once for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import runs
from fixtures.plain_steps import CELL, written
from helpers import called_here

from delrec_compile.artifact.plain import PlainArtifact
from delrec_compile.plain_onnx.build import build_plain
from delrec_compile.system import child


@pytest.fixture(scope="session")
def in_process() -> Iterator[None]:
    """`child.call` without a child. Not for the commands: those have a process of their own."""
    if not runs("x86-64"):
        pytest.skip("the compiled library does not run on this machine")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(child, "call", called_here)
        yield


@pytest.fixture(scope="session")
def cell(tmp_path_factory: pytest.TempPathFactory, in_process: None) -> PlainArtifact:
    folder = tmp_path_factory.mktemp("cell")
    return build_plain(written(CELL, folder / "cell.onnx"), out=folder / "out")
