"""Compilers of CUDA: found, missing, refusing; their kernels and architectures."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import refusal

from delrec_compile.errors import CompilerCrash, ToolchainError, UnsupportedError
from delrec_compile.system import nvrtc

NVCC = """#!/bin/sh
case "$1" in
--version) echo "Cuda compilation tools, release 12.4, V12.4.1";;
--list-gpu-code) echo sm_80; echo sm_90a;;
*)
    for last; do :; done
    if grep -q nonsense "$last"; then echo "x.cu(1): error: nonsense" >&2; exit 1; fi
    while [ "$1" != -o ]; do shift; done; printf made > "$2";;
esac
"""


@pytest.fixture
def nvcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nvrtc.Nvcc:
    """A program that behaves like nvcc, where there is no NVRTC."""
    program = tmp_path / "nvcc"
    program.write_text(NVCC)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(nvrtc, "_libraries", list)
    found = nvrtc.find()
    assert isinstance(found, nvrtc.Nvcc)
    return found


def test_nvcc_stands_in_for_nvrtc(nvcc: nvrtc.Nvcc) -> None:
    assert nvcc.name == "nvcc 12.4"
    code = nvcc.compile("__global__ void k() {}", "k", "sm_80")
    assert (code.ptx, code.cubin, code.compiler) == ("made", b"made", "nvcc 12.4")
    with refusal(CompilerCrash, "nvcc 12.4 rejected k.cu: .*error: nonsense", 9):
        nvcc.compile("nonsense", "k", "sm_80")


def test_architectures_are_those_of_the_compiler(nvcc: nvrtc.Nvcc) -> None:
    assert nvrtc.known_arch(nvcc, "sm_90a") == "sm_90a"
    with refusal(UnsupportedError, "'sm_81'; did you mean 'sm_80'.*allows: sm_80, sm_90a", 4):
        nvrtc.known_arch(nvcc, "sm_81")


def test_no_compiler_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "libnvrtc.so").write_bytes(b"not a library")
    monkeypatch.setattr(nvrtc, "_libraries", lambda: [str(tmp_path / "libnvrtc.so")])
    monkeypatch.setattr(nvrtc.shutil, "which", lambda _: None)
    with refusal(ToolchainError, r"no compiler for CUDA found .*\[cuda\]'", 5):
        nvrtc.find()


def test_kernels_of_ptx() -> None:
    ptx = ".visible .entry net_run(\n.func helper(\n  .entry net_trace (\n"
    assert nvrtc.entries(ptx) == ["net_run", "net_trace"]
