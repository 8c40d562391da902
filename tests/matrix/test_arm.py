"""Libraries for ARM Linux, cross-compiled on this machine and run in an emulator."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.command import ok_here
from fixtures.staged import artifact_here

from delrec_compile import targets
from delrec_compile.artifact.abi import BATCH, ENTRIES, UNCALLED
from delrec_compile.compiler.build import build
from delrec_compile.compiler.forms.library import check_cpu
from delrec_compile.compiler.shared_library import ALONE
from delrec_compile.errors import CompilerCrash, ToolchainError
from delrec_compile.evaluation.proof import prove
from delrec_compile.network import checkpoint
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system import toolchain
from delrec_compile.system.chips import CORES
from delrec_compile.system.elf import arm_features

MACHINES = {
    "arm_cpu": (64, 0xB7),
    "arm_cpu_v7": (32, 0x28),
    "arm_cpu_v6": (32, 0x28),
}  # ELF class and e_machine
pytestmark = pytest.mark.usefixtures("children_here")


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
    assert not {n for n, kind in symbols.items() if kind == "U"}
    assert {n for n, kind in symbols.items() if kind == "T"} == {
        f"conv_delay_256_{e}" for e in (*ENTRIES, BATCH, *UNCALLED)
    }
    proof = prove(artifact, limit=1)
    assert proof.check is not None
    assert proof.check["spikes"]["differing"] == 0
    assert proof.check["membrane"]["max_abs_error"] == 0.0
    assert proof.check["spikes"]["compared"] == 80 * 512
    assert proof.bench is None
    assert proof.emulated is not None
    assert 1_000 < proof.emulated["instructions_per_step"] < 60_000
    assert proof.emulated["worst_instructions"] >= proof.emulated["instructions_per_step"]
    assert "emulated" in proof.emulated["how"]


# each network on two of the three, by turns
MET = [
    (name, target)
    for i, name in enumerate(cases.ON_CHIPS)
    for k, target in enumerate(MACHINES)
    if (i + k) % 3
]


@pytest.mark.parametrize(("name", "target"), MET)
def test_the_bits_of_torch_on_the_other_machine(name: str, target: str, tmp_path: Path) -> None:
    """Kernels and glue as they ship, in the emulator, against the reference."""
    if targets.load(target).runs_here:
        pytest.skip("this is that machine")
    network = cases.network(name)
    runner = EmulatedRunner(artifact_here(network, target, tmp_path))
    assert runner.self_test()
    x = cases.counts(cases.CASES[name], steps=60)
    want, got = TorchRunner(network).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)


def test_the_command_runs_it_in_the_emulator(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    told = json.loads(ok_here("build", "-t", "arm_cpu", "-o", folder, "--limit", 1, "--json"))
    assert told["check"]["passed"] is True
    if not targets.load("arm_cpu").runs_here:
        assert told["latency"]["how"] == "emulated"
        assert told["latency"]["us_per_step"] is None
        assert told["latency"]["instructions_per_step"] > 1_000
    told = json.loads(ok_here("run", folder, "--limit", 2, "--json"))
    assert len(told["classes"]) == 2


def test_a_missing_cross_compiler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr("delrec_compile.system.host.platform.machine", lambda: "x86_64")
    with pytest.raises(ToolchainError, match=r"pip install .*'\S*\[cross\]'"):
        build(checkpoint.load("conv_delay_256"), "arm_cpu", tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


# a program of Linux without a C library
PROGRAM = """
#include "one.h"
void _start(void)
{
    register int status __asm__("r0") = one_self_test();
    register int call __asm__("r7") = 1;
    __asm__ volatile("svc 0" ::"r"(status), "r"(call));
}
"""


@pytest.mark.parametrize(
    ("target", "cpu", "emulated", "needs"),
    [
        ("arm_cpu_v6", None, "arm1176", {"v6", "vfp2sp"}),
        ("arm_cpu_v7", "cortex-a9", "cortex-a9", {"v7", "neon", "vfp3"}),
        ("arm_cpu_v7", None, "cortex-a7", {"v7", "neon", "vfp4", "hwdiv-arm"}),
    ],
)
def test_code_is_for_that_very_cpu(
    target: str, cpu: str | None, emulated: str, needs: set[str], tmp_path: Path
) -> None:
    """By the attributes of the library, and in QEMU's emulation of that CPU."""
    if targets.load(target).runs_here:
        pytest.skip("this is that machine")
    artifact = build(cases.network("conv3"), target, tmp_path / "a", cpu=cpu, name="one")
    assert artifact.library is not None
    assert arm_features(artifact.library) == needs
    assert EmulatedRunner(artifact).self_test()
    if shutil.which("qemu-arm") is None:
        pytest.skip("qemu-arm is not installed")
    main, out = tmp_path / "main.c", tmp_path / "program"
    main.write_text(ALONE + PROGRAM)
    static = artifact.path / str(artifact.manifest.static_library)
    flags = [
        "-static",
        "-nostdlib",
        "-fno-builtin",
        "-fno-sanitize=undefined",
        "-fno-unwind-tables",
    ]
    core = {"cross": "arm-freestanding-eabihf", "cpu": CORES[artifact.manifest.core or ""].cpu}
    include = f"-I{artifact.path / 'include'}"
    toolchain.run_cc(include, "-O1", main, static, *flags, "-o", out, **core)
    subprocess.run(["qemu-arm", "-cpu", emulated, out], check=True)


def test_a_library_that_needs_more_than_its_cpu_is_refused(tmp_path: Path) -> None:
    if targets.load("arm_cpu_v7").runs_here:
        pytest.skip("this is that machine")
    artifact = build(cases.network("conv3"), "arm_cpu_v7", tmp_path / "a")
    assert artifact.library is not None
    check_cpu(artifact.library, artifact.manifest.llvm)
    with pytest.raises(
        CompilerCrash, match="needs hwdiv-arm, neon, v7, vfp4, which the CPU 'arm1176"
    ):
        check_cpu(artifact.library, {**artifact.manifest.llvm, "mcpu": "arm1176jzf-s"})
