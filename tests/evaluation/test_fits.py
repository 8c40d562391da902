"""Boards that a network fits: sizes as a build links them, counts as its emulator has them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cases
import numpy as np
import pytest
from fixtures.staged import artifact_here
from helpers import called_here, refusal

from delrec_compile import targets
from delrec_compile.errors import BudgetError, CompilerCrash, ToolchainError, UsageError
from delrec_compile.evaluation.fits import Fits, _code, _row, fits, measure
from delrec_compile.network import checkpoint
from delrec_compile.runners.emulated.core import EmulatedRunner
from delrec_compile.system import child

MEASURED = {
    "fits": True,
    "flash_bytes": 300 * 1024,
    "ram_bytes": 8 * 1024,
    "instructions_per_step": 32_000.0,
    "how": "counted",
}
SMALL = """
summary = "a chip of {kb} KB"
over = "cortex_m4"
clock_mhz = 1
[memory]
chip = "Small"
flash = [0x08000000, {kb}]
ram = [0x20000000, 64]
"""


def small(folder: Path, kb: int) -> str:
    path = folder / f"small_{kb}.toml"
    path.write_text(SMALL.format(kb=kb))
    return str(path)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The targets that are compiled, in this process."""
    found: list[str] = []

    def call(function: str, **arguments: Any) -> Any:
        found.append(arguments["target"])
        return called_here(function, **arguments)

    monkeypatch.setattr(child, "call", call)
    return found


def test_a_board_has_the_sizes_and_the_instructions_of_a_build_for_it(
    tmp_path: Path, calls: list[str]
) -> None:
    network, case = cases.network("mixed"), cases.CASES["mixed"]
    x = cases.counts(case, steps=12)[:, :1]
    boards = ("nrf52840", small(tmp_path, 4), small(tmp_path, 64))
    found = fits(network, boards, numeric="int8", samples=x.swapaxes(0, 1))
    assert calls == ["nrf52840"], "boards of one core are compiled once"
    nrf, tight, loose = found.rows
    artifact = artifact_here(network, "nrf52840", tmp_path, numeric="int8")
    runner = EmulatedRunner(artifact)
    runner.outputs_of(np.ascontiguousarray(x))
    assert (nrf.flash_bytes, nrf.ram_bytes) == (
        artifact.manifest.flash_bytes,
        artifact.manifest.ram_bytes,
    )
    assert nrf.instructions_per_step == np.mean(runner.instructions)
    assert nrf.worst_instructions == max(runner.instructions)
    assert nrf.estimated_us == pytest.approx(nrf.instructions_per_step / 64)
    assert (nrf.fits, tight.fits, loose.fits) == (True, False, True)
    over = (nrf.flash_bytes or 0) / 1024 - 4
    (tmp_path / "tight").mkdir()
    with refusal(BudgetError, rf"flash is {over:.1f} KB over its 4 KB", 7):
        artifact_here(network, boards[1], tmp_path / "tight", numeric="int8")
    assert tight.why.startswith("flash is ")
    assert found.error() is None
    error = replace(found, rows=(tight,)).error()
    assert isinstance(error, BudgetError)
    assert str(error) == "'mixed' in int8 fits none of small_4"


@pytest.mark.parametrize(
    ("changed", "fit", "why"),
    [
        ({}, True, ""),
        ({"flash_bytes": 1024 * 1024}, True, ""),
        ({"flash_bytes": 1024 * 1024 + 1}, False, "flash is 1 bytes over its 1,024.0 KB"),
        ({"ram_bytes": 252 * 1024}, True, ""),  # of 256 KB the stack has 4
        ({"ram_bytes": 253 * 1024}, False, "RAM is 1,024 bytes over its 252.0 KB"),
        ({"instructions_per_step": 64_000 * 15}, True, "a step takes about 150% of its 10 ms"),
        ({"fits": None, "why": "no zig"}, None, "no zig"),
    ],
)
def test_the_memory_and_the_clock_of_a_board_judge(
    changed: dict[str, Any], fit: bool | None, why: str
) -> None:
    row = _row(targets.load("nrf52840"), {**MEASURED, **changed}, 10.0)
    assert (row.fits, row.why) == (fit, why)


def test_an_operating_system_has_no_limit_and_a_board_of_another_code_says_so() -> None:
    row = _row(targets.load("pi4"), {**MEASURED, "flash_bytes": None, "ram_bytes": None}, 10.0)
    assert (row.fits, row.flash_limit, row.ram_limit) == (True, None, None)
    assert row.estimated_share_of_dt == pytest.approx(32_000 / 1500 / 10_000)
    modelled = replace(targets.load("nrf52840"), like="cortex_m3", core="")
    assert _code("x", modelled).spec == "cortex_m3"
    assert _row(modelled, MEASURED, 10.0).how == "modelled on cortex_m3: counted"


def test_boards_of_one_core_are_one_code_unless_their_stack_differs() -> None:
    def key(name: str) -> str:
        return _code(name, targets.load(name)).key

    assert key("stm32h7") == key("teensy41") == key("cortex_m7")
    assert key("esp32c3") != key("riscv32")  # it has no atomic instructions
    m4 = targets.load("cortex_m4")
    assert m4.memory is not None
    assert _code("x", replace(m4, memory=replace(m4.memory, stack=8))).key != key("cortex_m4")


def test_what_cannot_be_compiled_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(_: str, target: str, **__: Any) -> Any:
        if target == "nrf52840":
            raise CompilerCrash("the compiler died")
        return MEASURED

    monkeypatch.setattr(child, "call", call)
    found = fits(cases.network("mixed"), ("nrf52840", "rp2350"))
    assert [(row.fits, row.why) for row in found.rows] == [
        (None, "the compiler died"),
        (True, ""),
    ]
    error = replace(found, rows=found.rows[:1]).error()
    assert isinstance(error, ToolchainError)
    assert "nrf52840: the compiler died" in str(error)
    assert isinstance(found, Fits)


def test_requests_are_refused_before_anything_is_compiled(calls: list[str]) -> None:
    network = cases.network("mixed")
    with refusal(UsageError, "no board is specified; allowed: all, .*nrf52840", 2):
        fits(network, ())
    with refusal(UsageError, "target 'x86_64' is no board: its profile has no clock_mhz", 2):
        fits(network, ("nrf52840", "x86_64"))
    assert not calls


def test_a_chip_that_nothing_compiles_for_is_modelled_with_its_own_schedule(
    calls: list[str],
) -> None:
    network = cases.network("mixed")
    x = cases.counts(cases.CASES["mixed"], steps=3)[:, :1].swapaxes(0, 1)
    found = fits(network, ("esp32", "esp32s3"), numeric="int8", samples=x)
    assert calls == ["cortex_m4"]
    for row in found.rows:
        assert row.fits is True
        assert row.how == "modelled on cortex_m4: counted, emulated (unicorn, Cortex-M4F)"
        assert row.flash_bytes is not None
        assert row.flash_bytes > 1000


def test_a_processor_of_an_operating_system_is_no_code_of_a_chip(tmp_path: Path) -> None:
    """Its code has no memory of its own, and its steps are not counted where they run here."""
    pi4, m4 = targets.load("pi4"), targets.load("cortex_m4")
    assert pi4.memory is None
    assert _code("pi4", pi4).key == _code("arm_cpu", replace(pi4, name="arm_cpu", board="")).key
    assert _code("pi4", pi4).key != _code("cortex_m4", m4).key
    network = cases.network("conv3")
    checkpoint.save(network, tmp_path / "network.safetensors")
    found = measure(str(tmp_path), "portable_c", "conv3", "float32", "samples", None)
    how = "not counted: the processor is that of this machine"
    assert found == {"fits": True, "flash_bytes": None, "ram_bytes": None, "how": how}
