"""Chips and boards by their names."""

import dataclasses
import tomllib
from pathlib import Path

import pytest

from delrec_compile import targets
from delrec_compile.errors import UnsupportedError
from delrec_compile.targets import boards


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("stm32f405", "cortex_m4"),
        ("STM32F746", "cortex_m7"),
        ("rp2040", "cortex_m0plus"),
        ("esp32-c3", "riscv32"),
        ("Cortex-M4", "cortex_m4"),
        ("x86-64", "x86_64"),
        ("nRF52840", "nrf52840"),
        ("pi-zero", "pi_zero"),
        ("ra8m1", "cortex_m85"),
        ("ESP32-S3", "esp32s3"),
    ],
)
def test_a_chip_whose_profile_this_is_names_it(name, profile):
    assert targets.load(name).name == profile


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("stm32", "an STM32 has one of many cores: .*stm32f4 cortex_m4"),
        ("stm32f407vg", "has a Cortex-M4: take cortex_m4, with the memory of STM32F405"),
        ("nrf52832", "a Cortex-M4: take cortex_m4"),
        ("teensy40", "a Cortex-M7: take cortex_m7"),
        ("nrf5340", "a Cortex-M33: take cortex_m33"),
        ("raspberry pi 4", "a 64-bit ARM: take arm_cpu;"),
        ("raspberry-pi-zero", "an ARMv6: take arm_cpu_v6"),
        ("esp32s2", "no code of its own here, but a C compiler: take portable_c"),
        ("ra8d1", "has a Cortex-M85: take cortex_m85, with the memory of RA8M1"),
        ("esp", "esp32c3 is a RISC-V"),
        ("gpu", "a GPU of NVIDIA: take cuda"),
        ("cortex_m", "profiles of this name: cortex_m0plus"),
        ("x86_65", "did you mean 'x86_64'"),
    ],
)
def test_what_no_profile_has_is_told_by_its_core(name, words):
    with pytest.raises(UnsupportedError, match=words):
        targets.load(name)


def test_every_profile_that_is_named_is_one():
    assert {profile for profile, _ in boards.CORES.values()} <= {
        *targets.names(),
        *targets.board_names(),
    }


def test_every_chip_of_a_profile_means_it():
    for name in targets.names():
        memory = targets.load(name).memory
        if memory is not None:
            assert targets.load(memory.chip).name == name


@pytest.mark.parametrize("name", targets.board_names())
def test_a_board_is_its_core_with_a_memory_and_a_clock_of_its_own(name):
    text = (Path(targets.__file__).parent / "board" / f"{name}.toml").read_text()
    table = tomllib.loads(text)
    board, core = targets.load(name), targets.load(table["over"])
    own = {"name", "summary", "core", "like", *targets.OWN}
    for field in dataclasses.fields(targets.Target):
        if field.name not in own:
            assert getattr(board, field.name) == getattr(core, field.name), field.name
    assert board.clock_mhz == table["clock_mhz"]
    assert (board.memory is None) == (core.memory is None and not board.like)
    assert board.flash is None or board.flash.device == table["flash"]["device"]


def test_a_board_takes_over_nothing_of_the_chip_of_its_core(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('summary = "mine"\nover = "cortex_m4"\n')
    mine, core = targets.load(str(path)), targets.load("cortex_m4")
    assert all((core.memory, core.flash, core.board, core.clock_mhz))
    assert (mine.memory, mine.flash, mine.board, mine.clock_mhz) == (None, None, "", None)
    assert mine.schedules == core.schedules
    path.write_text('summary = "mine"\nover = "cortex_m5"\n')
    with pytest.raises(UnsupportedError, match="over = 'cortex_m5'; did you mean"):
        targets.load(str(path))


@pytest.mark.parametrize("name", targets.platform_names())
def test_a_platform_is_a_library_that_no_machine_of_linux_takes_for_its_own(name):
    profile = targets.load(name)
    assert (profile.form, profile.memory, profile.clock_mhz) == ("library", None, None)
    assert profile.triple or name == "android"
    assert name == "android" or not profile.core
    assert targets.load(name.title()) == profile
