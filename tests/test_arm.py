"""Libraries for ARM Linux, cross-compiled on this machine: whole, self-contained, not run here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from delrec_compile import checkpoint, targets, toolchain
from delrec_compile.build import build
from delrec_compile.errors import ToolchainError
from delrec_compile.prove import prove

MACHINES = {"arm_cpu": (64, 0xB7), "arm_cpu_v7": (32, 0x28)}  # ELF class and e_machine


@pytest.mark.parametrize("target", MACHINES)
def test_the_library_is_for_that_machine_and_needs_no_tvm(target: str, tmp_path: Path) -> None:
    if targets.load(target).runs_here:
        pytest.skip("this is that machine")
    artifact = build(checkpoint.load("conv_delay_256"), target, tmp_path / "a")
    assert artifact.library is not None
    head = artifact.library.read_bytes()[:20]
    bits, machine = MACHINES[target]
    assert head[:4] == b"\x7fELF"
    assert head[4] == bits // 32
    assert int.from_bytes(head[18:20], "little") == machine
    out = subprocess.run(
        ["nm", "-D", artifact.library], capture_output=True, text=True, check=True
    ).stdout
    symbols = {s.split()[-1].split("@")[0]: s.split()[-2] for s in out.splitlines()}
    assert {n for n, kind in symbols.items() if kind == "U"} <= {"memset", "memcpy"}
    assert {n for n, kind in symbols.items() if kind == "T"} == {
        f"conv_delay_256_{e}" for e in ("reset", "step", "run", "trace", "state_bytes", "self_test")
    }
    proof = prove(artifact, limit=2)
    assert proof.check is None
    assert proof.bench is None
    assert proof.onnxruntime["passed"]


def test_the_command_says_that_it_was_not_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "delrec_compile.cli", "build", "--target", "arm_cpu"]
    folder = tmp_path / "a"
    done = subprocess.run(
        [*command, "-o", folder, "--limit", "2"], capture_output=True, text=True, check=True
    )
    if not targets.load("arm_cpu").runs_here:
        assert "which this machine cannot run: not checked, not timed" in done.stdout
        assert json.loads((folder / "measured.json").read_text())["check"] is None


def test_a_missing_cross_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("delrec_compile.targets.platform.machine", lambda: "x86_64")
    with pytest.raises(ToolchainError, match=r"pip install 'delrec-compile\[cross\]'"):
        build(checkpoint.load("conv_delay_256"), "arm_cpu", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
