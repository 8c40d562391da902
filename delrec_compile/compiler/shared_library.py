"""The glue and the kernels -> a shared library that needs nothing but, at most, a C library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from delrec_compile.artifact.abi import BATCH, ENTRIES
from delrec_compile.system import toolchain
from delrec_compile.system.toolchain import FLAGS

# functions that compilers call implicitly; so that the library needs no other, not even a C
# library, and an emulator can run it alone
ALONE = """#include <stddef.h>
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
"""

SECTIONS = ("-ffunction-sections", "-fdata-sections")  # a linker drops what nothing calls


def link(
    work: Path,
    name: str,
    library: Path,
    triple: str,
    entries: Sequence[str] = (*ENTRIES, BATCH),
    libraries: Sequence[str] = (),
    cpu: str = "",
) -> list[Path]:
    """Compiles the C files of the folder, links them with kernels.o; returns all these objects.

    entries: exported functions. libraries: linked too, such as `-lm`. cpu: Zig's name.
    """
    exports = work / "exports.map"
    exported = " ".join(f"{name}_{e};" for e in entries)
    exports.write_text(f"{{ global: {exported} {name}_id_*; local: *; }};\n")
    objects = []
    for source in sorted(work.glob(f"{name}*.c")):
        objects.append(source.with_suffix(".c.o"))
        options: list[str | Path] = ["-std=c11", "-O1", *FLAGS, *SECTIONS, "-I", work]
        toolchain.run_cc(*options, "-c", source, "-o", objects[-1], cross=triple, cpu=cpu)
    objects.append(work / "kernels.o")
    alone: list[str | Path] = []
    if triple:
        (work / "alone.c").write_text(ALONE)
        flags = ("-O2", "-fno-builtin", *FLAGS, "-c", work / "alone.c", "-o", work / "alone.o")
        toolchain.run_cc(*flags, cross=triple, cpu=cpu)
        alone = ["-nostdlib", work / "alone.o"]
    toolchain.run_cc(
        "-shared",
        *alone,
        f"-Wl,--version-script={exports}",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        f"-Wl,-soname,{library.name}",
        "-s",
        *objects,
        *libraries,
        "-o",
        library,
        cross=triple,
        cpu=cpu,
    )
    return objects
