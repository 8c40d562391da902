"""Chips without an operating system: programs in their own memory, run in an emulator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cases
import numpy as np
import pytest
from fixtures.command import ok_here, refused_here
from fixtures.staged import artifact_here
from helpers import refusal

from delrec_compile import targets
from delrec_compile.artifact import firmware
from delrec_compile.artifact.manifest import Artifact
from delrec_compile.compiler.build import build
from delrec_compile.errors import BudgetError, UnsupportedError
from delrec_compile.evaluation.proof import prove
from delrec_compile.network import checkpoint
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.runners.open import emulated_runner
from delrec_compile.runners.torch_runner import TorchRunner
from delrec_compile.system.elf import sizes

CHIPS = [t for t in targets.names() if targets.load(t).form == "sources" and targets.load(t).core]
SMALL_CHIP = """
summary = "STM32F100, 128 KB flash, 8 KB RAM"
how = "emulated"
machine = "cortex_m3"
form = "sources"
core = "cortex_m3"
numeric = ["float32", "int8"]
tools = ["zig", "emulator"]
clock_mhz = 24
board = "stm32vldiscovery"

[memory]
chip = "STM32F100"
flash = [0x08000000, 128]
ram = [0x20000000, 8]
stack = 1

[[schedule]]
lanes = 1
registers = 8
events = "branch"
"""
# each network on a fifth of the chips, by turns: they differ in the compiler's flags alone
MET = [
    (name, chip)
    for i, name in enumerate(cases.ON_CHIPS)
    for k, chip in enumerate(CHIPS)
    if (i + k) % 5 == 0
]
Assembled = Callable[[str, str], Artifact]
pytestmark = pytest.mark.usefixtures("children_here")


@pytest.fixture(scope="module")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Assembled:
    """`assembled(name of a case, target)`: an artifact, made in this process."""

    def make(name: str, target: str) -> Artifact:
        stage = tmp_path_factory.mktemp(name)
        return artifact_here(cases.network(name), target, stage)

    return make


@pytest.mark.parametrize(("name", "target"), MET)
def test_the_bits_of_torch_on_the_chip(name: str, target: str, assembled: Assembled) -> None:
    if target == "cortex_m55" and not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    runner = emulated_runner(assembled(name, target))
    assert runner.self_test()
    x = cases.counts(cases.CASES[name], steps=30)
    want, got = TorchRunner(cases.network(name)).trace(x), runner.trace(x)
    np.testing.assert_array_equal(got.y, want.y)
    for have, wanted in zip(got.spikes, want.spikes, strict=True):
        np.testing.assert_array_equal(have, wanted)
    assert len(runner.instructions) == x.shape[0] * x.shape[1]
    assert min(runner.instructions) > 100
    assert 0 < runner.stack_bytes < 4096


def test_the_bundled_network_on_a_cortex_m4(tmp_path: Path) -> None:
    artifact = build(checkpoint.load("conv_delay_256"), "cortex_m4", tmp_path / "a")
    m = artifact.manifest
    found = sizes(artifact.path / m.image)
    assert (found.flash, found.ram) == (m.flash_bytes, m.ram_bytes)
    # the state of one stream, its input and its output, and nothing else to speak of
    assert m.state_bytes + 140 + 80 <= found.ram <= m.state_bytes + 140 + 80 + 64
    assert 433_000 < found.flash < 460_000
    proof = prove(artifact)
    assert proof.emulated is not None
    assert proof.check is not None
    assert proof.check["spikes"]["compared"] == 5 * 80 * 512
    assert proof.check["spikes"]["differing"] == 0
    assert proof.check["membrane"]["max_abs_error"] == 0.0
    # instructions are counted exactly: as good as the hand-written kernels
    assert proof.emulated["instructions_per_step"] <= 36_000
    assert proof.emulated["stack_bytes"] <= 2_048
    share = proof.emulated["estimated_share_of_dt"]
    assert share == pytest.approx(proof.emulated["instructions_per_step"] / 168 / 10_000)


@pytest.mark.parametrize("target", [t for t in CHIPS if targets.load(t).board])
def test_the_shipped_program_passes_on_the_whole_board(target: str, assembled: Assembled) -> None:
    """From reset, with start-up code, in the memory of the chip; and finds a wrong table."""
    if not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    artifact = assembled("mixed", target)
    image, board = artifact.path / artifact.manifest.image, artifact.manifest.board
    assert (
        qemu.load_board(board).memory.flash == firmware.memory_map(artifact.manifest.memory).flash
    )
    assert qemu.run_image(image, board).status == 0
    raw = image.read_bytes()
    recurrences = [layer.recurrence for layer in cases.network("mixed").layers]
    delay = next(r for r in recurrences if r is not None).delay.astype(np.uint8).tobytes()
    assert raw.count(delay) == 1
    image.write_bytes(raw.replace(delay, bytes(len(delay))))
    assert qemu.run_image(image, board).status > 1


def test_a_network_that_does_not_fit_says_by_how_much(tmp_path: Path) -> None:
    profile = tmp_path / "stm32f100.toml"
    profile.write_text(SMALL_CHIP)
    line = (
        r"does not fit STM32F100: flash is \d\d\d\.\d KB over its 128 KB; in int8 .* --numeric int8"
    )
    with refusal(BudgetError, line, 7):
        build(checkpoint.load("conv_delay_256"), str(profile), tmp_path / "a")
    assert [p.name for p in tmp_path.iterdir()] == [profile.name]
    small = build(cases.network("mixed"), str(profile), tmp_path / "a")
    assert small.manifest.flash_bytes < 128 << 10
    assert EmulatedRunner(small).self_test()


def test_a_damaged_memory_map_is_named(tmp_path: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text(SMALL_CHIP.replace("flash = [0x08000000, 128]", "flash = 128"))
    with refusal(UnsupportedError, r"\[memory\]: flash = 128; a list is required", 4):
        build(cases.network("mixed"), str(profile), tmp_path / "a")
    profile.write_text(SMALL_CHIP.replace('core = "cortex_m3"', 'core = "cortex_m5"'))
    with refusal(UnsupportedError, "unknown core 'cortex_m5'; did you mean 'cortex_m", 4):
        build(cases.network("mixed"), str(profile), tmp_path / "a")


def test_the_command_tells_flash_ram_and_instructions(tmp_path: Path) -> None:
    told = json.loads(
        ok_here("build", "-t", "cortex_m33", "-o", tmp_path / "a", "--limit", 1, "--json")
    )
    assert told["check"]["passed"] is True
    assert told["latency"]["how"] == "emulated"
    assert told["latency"]["us_per_step"] is None
    assert told["flash_bytes"] > 433_000
    assert told["ram_bytes"] > 3_000
    said = refused_here(4, "bench", tmp_path / "a")
    assert "is built for cortex_m33, and only code of this machine can be timed" in said
    report = (tmp_path / "a" / "report.md").read_text()
    assert "one cycle each: ~" in report
