"""Cross compilation from pip packages: every core, sizes, the linker's overflow, missing tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ziglang")
pytest.importorskip("elftools")

from elftools.elf.elffile import ELFFile
from fixtures.programs import BOARD, KEEP, NAMES, SOURCE, N, Stream, inputs, one_line

from delrec_compile.errors import (
    BudgetError,
    CompilerCrash,
    DeviceError,
    InputError,
    ToolchainError,
    UnsupportedError,
)
from delrec_compile.runners.emulated import qemu
from delrec_compile.runners.emulated.open import open_machine
from delrec_compile.system import toolchain
from delrec_compile.system import zig as cross
from delrec_compile.system.chips import CORES, MemoryMap, Region
from delrec_compile.system.elf import sizes
from delrec_compile.system.zig import compile_c, link_bare, system

TINY = MemoryMap("a tiny chip", Region(0x08000000, 4 << 10), Region(0x20000000, 1 << 10), 512)
BIG = """
#include <stdint.h>
static const uint32_t table[1600] = { 1, 2 };
static uint32_t room[300];
uint32_t use(uint32_t i) { room[i % 300] += table[i % 1600]; return room[(i + 1) % 300]; }
"""
# in the test of boards: the whole program as one self-test, golden vectors and all
GOLDEN = """
int self_test(void)
{
    static state s;
    static uint8_t x[40];
    static float w[40 * N], y[N];
    int32_t sum = 0;
    demo_reset(&s);
    for (int j = 0; j < 40; j++) { x[j] = (uint8_t)(j & 1); }
    for (int k = 0; k < 40 * N; k++) { w[k] = 0.01f * (float)(k % 37); }
    for (int t = 0; t < 20; t++) { sum += demo_step(&s, x, 40, w, y, -3000); }
    return sum == EXPECTED ? 0 : 3;
}
"""


def demo(folder: Path, extra: str = "") -> Path:
    source = folder / "demo.c"
    source.write_text(SOURCE + extra)
    return source


def big(folder: Path, memory: MemoryMap, core: str = "cortex_m3", **how: tuple[str, ...]) -> Path:
    (folder / "big.c").write_text(BIG)
    c = CORES[core]
    thing = compile_c([folder / "big.c"], folder / "big.o", c.triple, c.cpu, **how)
    return link_bare([thing], folder / "big.elf", memory, c.triple, c.cpu, keep=["use"], **how)


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
    assert bool(soft) == (core in {"cortex_m0plus", "cortex_m3", "rv32imac"})
    if core in {"cortex_m4", "cortex_m7", "cortex_m33", "cortex_m55", "armv7"}:
        assert flags & 0x400  # hard-float ABI


@pytest.mark.parametrize("core", ["x86_64", "aarch64", "armv7"])
def test_a_shared_library_needs_no_libc(core: str, tmp_path: Path) -> None:
    c = CORES[core]
    out = compile_c([demo(tmp_path)], tmp_path / "demo.so", c.triple, c.cpu)
    with out.open("rb") as file:
        elf = ELFFile(file)
        assert not list(elf.get_section_by_name(".dynamic").iter_tags("DT_NEEDED"))
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())
    undefined = {s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF"} - {""}
    assert undefined <= {"memset", "memcpy"}
    assert set(NAMES) <= {s.name for s in symbols}
    assert [p.name for p in tmp_path.iterdir() if "unwind" in p.name] == []


def test_sizes_are_those_of_the_sections(tmp_path: Path) -> None:
    found = sizes(big(tmp_path, BOARD))
    assert 6400 < found.flash < 6700
    assert found.ram == 1200
    assert found.stack == 2048
    assert not (tmp_path / "big.elf.ld").exists()
    (tmp_path / "junk").write_bytes(b"junk")
    for path in (tmp_path / "junk", tmp_path / "none"):
        with pytest.raises(InputError, match="is no ELF file"):
            sizes(path)


@pytest.mark.parametrize("tool", ["zig", "system"])
def test_what_does_not_fit_says_by_how_much(tool: str, tmp_path: Path) -> None:
    how = {} if tool == "zig" else {"command": gcc("cortex_m3")}
    with pytest.raises(BudgetError) as caught:
        big(tmp_path, TINY, **how)
    text = one_line(caught.value)
    assert text.startswith("does not fit a tiny chip: ")
    assert "flash is 2." in text
    assert "KB over its 4 KB" in text
    assert "RAM is 0.7 KB over its 1 KB" in text
    assert text.endswith("; try --numeric int8")


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


def test_a_hang_of_the_compiler_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross, "TIMEOUT_S", 0.2)
    with pytest.raises(CompilerCrash, match=r"sh took more than 0\.2 s"):
        compile_c([], tmp_path / "x.o", "", "", command=["sh", "-c", "sleep 20"])


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolchainError, match="apt-get install gcc-arm-none-eabi"):
        system("cortex_m4")
    with pytest.raises(UnsupportedError, match="no system compiler is known for core 'wasm32'"):
        system("wasm32")
    with pytest.raises(ToolchainError, match="apt-get install qemu-system-arm"):
        qemu.run_image(tmp_path / "x.elf", "netduinoplus2")
    monkeypatch.setattr(cross.importlib.util, "find_spec", lambda _: None)
    c = CORES["cortex_m4"]
    with pytest.raises(ToolchainError, match=r"pip install 'delrec-compile\[cross\]'"):
        compile_c([demo(tmp_path)], tmp_path / "demo.o", c.triple, c.cpu)
    with pytest.raises(ToolchainError, match=r"pip install 'delrec-compile\[emu\]'"):
        sizes(tmp_path / "x.elf")


def gcc(core: str) -> tuple[str, ...]:
    if shutil.which(CORES[core].system[0]) is None:
        pytest.skip(f"{CORES[core].system[0]} is not installed")
    return system(core)


@pytest.mark.parametrize("core", ["cortex_m0plus", "cortex_m4", "cortex_m33"])
def test_the_systems_compiler_gives_the_same_bits(core: str, tmp_path: Path) -> None:
    c, seen = CORES[core], []
    for command in ((), gcc(core)):
        thing = compile_c([demo(tmp_path)], tmp_path / "d.o", c.triple, c.cpu, command=command)
        elf = tmp_path / "d.elf"
        link_bare([thing], elf, BOARD, c.triple, c.cpu, keep=NAMES, command=command)
        stream = Stream(open_machine(elf, core, BOARD))
        steps = [stream.step(x) for x in inputs(3)]
        seen.append([(call.result, y, state) for call, y, state in steps])
    assert seen[0] == seen[1]
    assert np.frombuffer(seen[0][0][1], np.float32).shape == (N,)
    assert len(KEEP) == len(NAMES)


@pytest.mark.parametrize("board", qemu.boards())
def test_a_board_passes_its_self_test_and_counts_alike(board: str, tmp_path: Path) -> None:
    """The real start-up code in qemu-system-arm against the function alone in unicorn."""
    if not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    where = qemu.load_board(board)
    c, things = CORES[where.core], []
    for expected in (host_sum(tmp_path), 1):
        things.append(tmp_path / f"{expected}.o")
        source = demo(tmp_path, GOLDEN)
        compile_c([source], things[-1], c.triple, c.cpu, [f"-DEXPECTED={expected}"])
    good = qemu.self_test([things[0]], "self_test", board, tmp_path)
    assert good.passed
    assert (good.instructions is None) == (where.ticks is None)
    if where.core != "cortex_m55":
        alone = open_machine(tmp_path / f"{board}.elf", where.core, where.memory)
        call = alone.call("self_test")
        assert call.result == 0
        if good.instructions:  # a few instructions read the timer
            assert 0 <= good.instructions - call.instructions < 40
    assert not qemu.self_test([things[1]], "self_test", board, tmp_path).passed


def host_sum(folder: Path) -> int:
    """What the outputs of the self-test sum up to, on the host."""
    main = GOLDEN.split("return sum")[0].replace("int self_test(", "int main(")
    source = demo(folder, "#include <stdio.h>" + main + 'printf("%d", sum); return 0; }')
    toolchain.run_cc("-std=c11", "-O2", "-ffp-contract=off", source, "-o", folder / "host")
    done = subprocess.run([folder / "host"], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("int self_test(void) { for (;;) { } }", "took more than 1 s"),
        (
            "int self_test(void) { *(volatile int *)0xF0000000 = 1; return 0; }",
            "ended with a fault: fault",
        ),
    ],
)
def test_a_board_that_hangs_or_faults(text: str, why: str, tmp_path: Path) -> None:
    if not qemu.available():
        pytest.skip("qemu-system-arm is not installed")
    c = CORES["cortex_m4"]
    (tmp_path / "t.c").write_text(text)
    thing = compile_c([tmp_path / "t.c"], tmp_path / "t.o", c.triple, c.cpu)
    with pytest.raises(DeviceError, match=f"netduinoplus2.elf on netduinoplus2 {why}"):
        qemu.self_test([thing], "self_test", "netduinoplus2", tmp_path, timeout_s=1)


def test_boards_are_known_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="'netduino'; did you mean 'netduino2'"):
        qemu.load_board("netduino")
    small = MemoryMap("x", Region(0, 1 << 10), Region(0x20000000, 1 << 10))
    assert qemu.load_board("microbit").memory != small
    assert qemu.load_board("mps3-an547").how == "emulated (qemu-system-arm, mps3-an547)"
    assert {b.core for b in qemu.boards().values()} <= set(CORES)
