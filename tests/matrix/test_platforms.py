"""Libraries for other systems than Linux: what their headers say that they are and need."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import cases
import pytest
from elftools.elf.elffile import ELFFile
from fixtures.staged import artifact_here

from delrec_compile.runners.emulated.core import EmulatedRunner

ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")
ENTRIES += ("run_batch", "decide", "label", "state_check")
NAMES = {f"mixed_{entry}" for entry in ENTRIES}
ARM64, DYLIB = 0x0100000C, 6  # of mach/machine.h and mach-o/loader.h
LOAD_DYLIB, SYMTAB, ID_DYLIB = 0xC, 0x2, 0xD
EXTERNAL, TYPE = 0x01, 0x0E


def library(target: str, folder: Path) -> Path:
    artifact = artifact_here(cases.network("mixed"), target, folder)
    assert artifact.library is not None
    assert not artifact.manifest.runs_here
    assert (folder / "include" / "mixed.h").is_file()
    return artifact.library


def text(raw: bytes, at: int) -> str:
    return raw[at : raw.index(b"\0", at)].decode()


def test_android_is_an_elf_that_needs_no_library(tmp_path: Path) -> None:
    artifact = artifact_here(cases.network("mixed"), "android", tmp_path)
    assert artifact.library is not None
    with artifact.library.open("rb") as file:
        elf = ELFFile(file)
        assert elf["e_machine"] == "EM_AARCH64"
        tags = [tag.entry.d_tag for tag in elf.get_section_by_name(".dynamic").iter_tags()]
        assert "DT_NEEDED" not in tags
        symbols = list(elf.get_section_by_name(".dynsym").iter_symbols())[1:]
        assert not [s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF"]
        assert {s.name for s in symbols} >= NAMES
        # Android 15 maps pages of 16 KB
        loads = [s["p_align"] for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
        assert min(loads) >= 16 * 1024
    if not artifact.manifest.runs_here:
        assert EmulatedRunner(artifact).self_test()


def test_windows_is_a_dll_that_imports_nothing(tmp_path: Path) -> None:
    dll = library("windows", tmp_path)
    assert dll.name == "mixed.dll"
    assert (dll.parent / "mixed.lib").is_file()
    raw = dll.read_bytes()
    (pe,) = struct.unpack_from("<I", raw, 0x3C)
    signature, machine, sections, time, _, _, optional, flags = struct.unpack_from(
        "<4sHHIIIHH", raw, pe
    )
    assert time == 0, "equal inputs give equal bytes"
    assert (signature, machine) == (b"PE\0\0", 0x8664)
    assert flags & 0x2000  # IMAGE_FILE_DLL
    directories = struct.unpack_from("<32I", raw, pe + 24 + 112)
    assert directories[2:4] == (0, 0), "it imports from other DLLs"
    table = pe + 24 + optional
    places = [struct.unpack_from("<8sIIII", raw, table + 40 * i) for i in range(sections)]

    def offset(address: int) -> int:
        start, at = next((va, p) for _, n, va, _, p in places if va <= address < va + n)
        return address - start + at

    count, _, names = struct.unpack_from("<III", raw, offset(directories[0]) + 24)
    listed = struct.unpack_from(f"<{count}I", raw, offset(names))
    exported = {text(raw, offset(at)) for at in listed}
    assert exported >= NAMES
    assert all(name.startswith("mixed_kernel_") for name in exported - NAMES)  # as TVM marks them


def test_macos_is_a_dylib_that_needs_the_system_alone(tmp_path: Path) -> None:
    dylib = library("macos", tmp_path)
    assert dylib.name == "libmixed.dylib"
    raw = dylib.read_bytes()
    magic, cpu, _, kind, commands, _, _, _ = struct.unpack_from("<8I", raw)
    assert (magic, cpu, kind) == (0xFEEDFACF, ARM64, DYLIB)
    at, needed, own, exported = 32, [], "", set()
    for _ in range(commands):
        command, size, name = struct.unpack_from("<3I", raw, at)
        if command == LOAD_DYLIB:
            needed.append(text(raw, at + name))
        if command == ID_DYLIB:
            own = text(raw, at + name)
        if command == SYMTAB:
            start, count, strings = struct.unpack_from("<3I", raw, at + 8)
            entries = [struct.unpack_from("<IB", raw, start + 16 * i) for i in range(count)]
            exported = {text(raw, strings + n) for n, t in entries if t & EXTERNAL and t & TYPE}
        at += size
    assert needed == ["/usr/lib/libSystem.B.dylib"]
    assert own == "@rpath/libmixed.dylib"
    assert {f"_{name}" for name in NAMES} <= exported


# what a frame of `rax` bytes must not change, and that each of its pages is touched
PROBE = """
#include <stdint.h>
#include <stdio.h>
int main(void)
{
    uint64_t a = SIZE, c = 7;
    __asm__ volatile("call ___chkstk_ms" : "+a"(a), "+c"(c) : : "memory", "cc");
    return !(a == SIZE && c == 7);
}
"""


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 60000])
def test_the_stack_probe_of_windows_changes_no_register(size: int, tmp_path: Path) -> None:
    """Its instructions are those of any x86-64 machine."""
    import platform

    from delrec_compile.compiler.shared_library import ALONE

    if platform.machine() not in {"x86_64", "AMD64"}:
        pytest.skip("for x86-64")
    source = ALONE[ALONE.index("/* called before a frame") : ALONE.rindex("#endif")]
    (tmp_path / "p.c").write_text(source + PROBE)
    program = tmp_path / "p"
    line = ["cc", "-mno-red-zone", f"-DSIZE={size}", tmp_path / "p.c", "-o", program]
    subprocess.run(line, check=True)
    assert subprocess.run([program], check=False).returncode == 0
