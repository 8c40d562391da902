"""Compilers from pip for other chips: every core, the linker's overflow, missing tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ziglang")
pytest.importorskip("elftools")

from elftools.elf.elffile import ELFFile
from fixtures.programs import BOARD, NAMES, N, Stream, big, demo, inputs, one_line

from delrec_compile.errors import (
    BudgetError,
    CompilerCrash,
    ToolchainError,
)
from delrec_compile.runners.emulated.open import open_machine
from delrec_compile.system import toolchain
from delrec_compile.system.chips import CORES, MemoryMap, Region
from delrec_compile.system.zig import COMPILE, compile_c, link_bare

TINY = MemoryMap("a tiny chip", Region(0x08000000, 4 << 10), Region(0x20000000, 1 << 10), 512)


def header(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        elf = ELFFile(file)
        return elf["e_machine"], elf["e_flags"]


@pytest.mark.parametrize("core", [c for c in CORES if c != "wasm32"])
def test_an_object_is_for_its_core(core: str, tmp_path: Path) -> None:
    c = CORES[core]
    source, out = demo(tmp_path), tmp_path / "demo.o"
    compile_c([source], out, c.triple, c.cpu, ["-Wall", "-Wextra", "-Werror"])
    machine, flags = header(out)
    families = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "r": "EM_RISCV"}
    assert machine == next((m for f, m in families.items() if core.startswith(f)), "EM_ARM")
    with out.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        wanted = {s.name for s in table.iter_symbols() if s["st_shndx"] == "SHN_UNDEF"} - {""}
        assert not [s.name for s in elf.iter_sections() if "exidx" in s.name and s["sh_size"] > 8]
    soft = {"__aeabi_fadd", "__addsf3"} & wanted
    assert bool(soft) == (core in {"cortex_m0plus", "cortex_m3", "rv32imac", "rv32imc"})
    if core in {"cortex_m4", "cortex_m7", "cortex_m33", "cortex_m55", "armv7"}:
        assert flags & 0x400  # hard-float ABI


def test_what_does_not_fit_says_by_how_much(tmp_path: Path) -> None:
    with pytest.raises(BudgetError) as caught:
        big(tmp_path, TINY)
    text = one_line(caught.value)
    assert text.startswith("does not fit a tiny chip: ")
    assert "flash is 2." in text
    assert "KB over its 4 KB" in text
    assert "RAM is 0.7 KB over its 1 KB" in text


def test_the_stack_is_part_of_the_ram(tmp_path: Path) -> None:
    ram = Region(0x20000000, 2 << 10)
    big(tmp_path, MemoryMap("a chip", BOARD.flash, ram, 800))
    with pytest.raises(BudgetError, match=r"a chip: RAM is 0.2 KB over its 2 KB"):
        big(tmp_path, MemoryMap("a chip", BOARD.flash, ram, 1024))


def test_errors_of_the_compiler_are_one_line(tmp_path: Path) -> None:
    c = CORES["cortex_m4"]
    wrong = tmp_path / "wrong.c"
    wrong.write_text("int f(void) { return missing; }\nint g(void) { also_missing; }\n")
    with pytest.raises(CompilerCrash, match=r"zig cc failed: .*wrong.c:1:.*'missing'") as caught:
        compile_c([wrong], tmp_path / "wrong.o", c.triple, c.cpu)
    one_line(caught.value)
    wrong.write_text("int f(void); int use(void) { return f(); }\n")
    thing = compile_c([wrong], tmp_path / "wrong.o", c.triple, c.cpu)
    with pytest.raises(CompilerCrash, match="undefined symbol: f") as caught:
        link_bare([thing], tmp_path / "w.elf", BOARD, c.triple, c.cpu, keep=["use"])
    one_line(caught.value)


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain.importlib.util, "find_spec", lambda _: None)
    c = CORES["cortex_m4"]
    with pytest.raises(ToolchainError, match=r"pip install .*'\S*\[cross\]'"):
        compile_c([demo(tmp_path)], tmp_path / "demo.o", c.triple, c.cpu)


GCC = {
    "cortex_m0plus": ("-mcpu=cortex-m0plus",),
    "cortex_m4": ("-mcpu=cortex-m4", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "cortex_m33": ("-mcpu=cortex-m33", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
}


@pytest.mark.parametrize("core", GCC)
def test_gcc_computes_the_same_bits(core: str, tmp_path: Path) -> None:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("arm-none-eabi-gcc is not installed")
    c, things = CORES[core], [tmp_path / "zig.o", tmp_path / "gcc.o"]
    compile_c([demo(tmp_path)], things[0], c.triple, c.cpu)
    gcc = ["arm-none-eabi-gcc", "-mthumb", *GCC[core], *COMPILE, "-c", tmp_path / "demo.c"]
    subprocess.run([*gcc, "-o", things[1]], check=True)
    results = []
    for thing in things:
        elf = link_bare([thing], tmp_path / "d.elf", BOARD, c.triple, c.cpu, keep=NAMES)
        stream = Stream(open_machine(elf, core, BOARD))
        steps = [stream.step(x) for x in inputs(3)]
        results.append([(call.result, y, state) for call, y, state in steps])
    assert results[0] == results[1]
    assert np.frombuffer(results[0][0][1], np.float32).shape == (N,)
