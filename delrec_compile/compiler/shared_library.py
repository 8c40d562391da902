"""The glue and the kernels -> a shared library that needs nothing but, at most, a C library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from delrec_compile.artifact.abi import BATCH, ENTRIES, UNCALLED
from delrec_compile.system import toolchain
from delrec_compile.system.toolchain import FLAGS

# functions that compilers call implicitly; so that the library needs no other, not even a C
# library, and an emulator can run it alone
ALONE = r"""#include <stddef.h>
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN void *memset(void *to, int value, size_t size)
{
    unsigned char *bytes = to;
    while (size-- > 0) {
        *bytes++ = (unsigned char)value;
    }
    return to;
}

HIDDEN void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    unsigned char *bytes = to;
    const unsigned char *source = from;
    while (size-- > 0) {
        *bytes++ = *source++;
    }
    return to;
}

#ifdef __arm__
HIDDEN void __aeabi_unwind_cpp_pr0(void)
{
}

HIDDEN void __aeabi_unwind_cpp_pr1(void)
{
}
#endif

#ifdef _WIN32
int DllMainCRTStartup(void *library, unsigned reason, void *reserved)
{
    (void)library, (void)reason, (void)reserved;
    return 1;
}

/* called before a frame of rax bytes: touches each page of it, in order; changes no register */
__asm__(".globl ___chkstk_ms\n"
        "___chkstk_ms:\n"
        "    pushq %rax\n"
        "    pushq %rcx\n"
        "    leaq 24(%rsp), %rcx\n"
        "1:  cmpq $4096, %rax\n"
        "    jbe 2f\n"
        "    subq $4096, %rcx\n"
        "    subq $4096, %rax\n"
        "    testb $0, (%rcx)\n"
        "    jmp 1b\n"
        "2:  subq %rax, %rcx\n"
        "    testb $0, (%rcx)\n"
        "    popq %rcx\n"
        "    popq %rax\n"
        "    ret\n");
#endif
"""

SECTIONS = ("-ffunction-sections", "-fdata-sections")  # a linker drops what nothing calls


def library_name(name: str, triple: str) -> str:
    """File of a shared library on the system of a triple; empty: Linux."""
    if "windows" in triple:
        return f"{name}.dll"
    return f"lib{name}.{'dylib' if 'macos' in triple else 'so'}"


def link(
    work: Path,
    name: str,
    library: Path,
    triple: str,
    entries: Sequence[str] = (*ENTRIES, BATCH, *UNCALLED),
    libraries: Sequence[str] = (),
    cpu: str = "",
) -> list[Path]:
    """Compiles the C files of the folder, links them with kernels.o; returns all these objects.

    entries: exported functions. libraries: linked too, such as `-lm`. cpu: Zig's name.
    """
    objects = []
    for source in sorted(work.glob(f"{name}*.c")):
        objects.append(source.with_suffix(".c.o"))
        options: list[str | Path] = ["-std=c11", "-O1", *FLAGS, *SECTIONS, "-I", work]
        toolchain.run_cc(*options, "-c", source, "-o", objects[-1], cross=triple, cpu=cpu)
    objects.append(work / "kernels.o")
    alone: list[str | Path] = []
    if triple and "macos" not in triple:  # where every program has the C library
        (work / "alone.c").write_text(ALONE)
        flags = ("-O2", "-fno-builtin", *FLAGS, "-c", work / "alone.c", "-o", work / "alone.o")
        toolchain.run_cc(*flags, cross=triple, cpu=cpu)
        alone = ["-nostdlib", work / "alone.o"]
    options = _exports(work, name, library, triple, entries)
    parts = ("-shared", *alone, *options, "-s", *objects, *libraries)
    toolchain.run_cc(*parts, "-o", library, cross=triple, cpu=cpu)
    if library.suffix == ".dll":
        _without_time(library)
    return objects


def _without_time(library: Path) -> None:
    """Clears the time stamp of a DLL's header, so that equal inputs give equal bytes."""
    raw = bytearray(library.read_bytes())
    at = int.from_bytes(raw[0x3C:0x40], "little") + 8  # TimeDateStamp behind "PE\0\0" and two words
    raw[at : at + 4] = bytes(4)
    library.write_bytes(raw)


def _exports(
    work: Path, name: str, library: Path, triple: str, entries: Sequence[str]
) -> list[str | Path]:
    """What a linker takes, by the system: the exported functions, and the name of the library."""
    symbols = [f"{name}_{e}" for e in entries]
    if "windows" in triple:
        exports = work / "exports.def"
        exports.write_text("\n".join(["EXPORTS", *symbols, ""]))
        return [exports, *_linker("--out-implib", library.with_suffix(".lib"))]
    if "macos" in triple:
        return _linker("-install_name", f"@rpath/{library.name}")
    exports = work / "exports.map"
    exported = " ".join(f"{symbol};" for symbol in symbols)
    exports.write_text(f"{{ global: {exported} {name}_id_*; local: *; }};\n")
    flags = (f"--version-script={exports}", "--build-id=none", "--gc-sections")
    return _linker(*flags, "-soname", library.name)


def _linker(*flags: str | Path) -> list[str | Path]:
    """Flags for the linker; not by `-Wl`, which takes a comma in a path for its end."""
    return [word for flag in flags for word in ("-Xlinker", flag)]
