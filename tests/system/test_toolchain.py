"""The C compiler: which one is used, and what is said when there is none."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash, ToolchainError
from delrec_compile.system import toolchain


def program(folder: Path, name: str, text: str = "exit 0") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty PATH, and no ziglang."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return folder


def test_no_compiler_is_said_with_the_cure(path: Path) -> None:
    with refusal(ToolchainError, r"no C compiler found .*pip install 'delrec-compile\[cross\]'", 5):
        toolchain.cc()


def test_the_order_of_choice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: name)
        assert toolchain.cc() == [sys.executable, "-m", "ziglang", "cc"]
    for name in ("clang", "gcc", "cc"):
        program(path, name)
        assert toolchain.cc() == [name]
    mine = program(path, "mine")
    monkeypatch.setenv("CC", f"{mine} -m64")
    assert toolchain.cc() == [str(mine), "-m64"]
    monkeypatch.setenv("CC", "absent-cc")
    assert toolchain.cc() == ["cc"]


def test_a_failing_compiler_is_a_crash_with_its_first_error(path: Path) -> None:
    program(
        path, "cc", "echo 'note: a' >&2; echo 'x.c:1: error: b' >&2; echo 'error: c' >&2; exit 1"
    )
    with refusal(CompilerCrash, r"^cc failed: x\.c:1: error: b$", 9):
        toolchain.run_cc("x.c")
    program(path, "gcc", "exit 0")
    (path / "cc").unlink()
    toolchain.run_cc("x.c")


def test_a_compiler_that_says_nothing_of_an_error(path: Path) -> None:
    program(path, "cc", "printf 'one\\ntwo\\n' >&2; exit 1")
    with refusal(CompilerCrash, "^cc failed: one", 9):
        toolchain.run_cc("x.c")
