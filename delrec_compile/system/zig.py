"""C and objects -> code for another chip, with the compiler and linker of the ziglang wheel.

Links are freestanding: no libc. Zig's own runtime gives memset, memcpy and, on cores without an
FPU, the float routines; what is not called is dropped.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from delrec_compile.errors import (
    BudgetError,
    CompilerCrash,
    ToolchainError,
    UnsupportedError,
)
from delrec_compile.system.chips import CORES, KB, MemoryMap

MEND = "pip install 'delrec-compile[cross]'"
TIMEOUT_S = 600.0  # the first link for a core builds Zig's runtime: seconds; a libc: a minute
COMPILE = (
    "-std=c11",
    "-O2",
    "-g0",
    "-fno-unroll-loops",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
ZIG_ONLY = ("-fno-sanitize=undefined",)
# TVM's objects name the unwinder of C++, which nothing here calls
NO_UNWINDER = """#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN void __aeabi_unwind_cpp_pr0(void) {}
HIDDEN void __aeabi_unwind_cpp_pr1(void) {}
"""
WASM_EXPORTS = ("-Wl,--export=__heap_base", "-Wl,--export=__stack_pointer")
SCRIPT = "cortex_m/bare.ld.in"


def compile_c(
    sources: Sequence[Path],
    out: Path,
    triple: str,
    cpu: str,
    flags: Sequence[str] = (),
    *,
    command: Sequence[str] = (),
) -> Path:
    """C files (or objects) -> what the name of `out` says.

    `.o`: an object, from one source. `.so`: a shared library without libc. `.wasm`: a module that
    exports what `-Wl,--export=` flags name, its memory, heap base and stack pointer. Anything
    else: a static executable. command: a compiler in place of Zig's, such as `system(core)`.
    Raises ToolchainError, and CompilerCrash with the compiler's first error.
    """
    linked: dict[str, tuple[str, ...]] = {
        ".o": ("-c",),
        ".so": ("-shared", "-fPIC", "-nostdlib", "-Wl,-s", "-Wl,--gc-sections"),
        ".wasm": ("-Wl,--no-entry", "-Wl,-s", *WASM_EXPORTS),
    }
    kind = linked.get(out.suffix, ("-static", "-Wl,-s", "-Wl,--gc-sections"))
    line = [*_compiler(triple, cpu, command), *COMPILE, *kind, *flags]
    if out.suffix == ".so" and triple.startswith("arm"):
        stub = out.with_name(out.name + ".unwind.c")
        stub.write_text(NO_UNWINDER)
        try:
            _run(line, [*sources, stub], out)
        finally:
            stub.unlink()
    else:
        _run(line, sources, out)
    return out


def link_bare(
    objects: Sequence[Path],
    out: Path,
    memory: MemoryMap,
    triple: str,
    cpu: str,
    *,
    keep: Sequence[str],
    flags: Sequence[str] = (),
    command: Sequence[str] = (),
) -> Path:
    """Objects -> a freestanding static ELF at the addresses of `memory`, symbols kept.

    keep: functions that stay; the rest stays only if they use it. Raises BudgetError with the KB
    that are over when a region is too small, ToolchainError, CompilerCrash.
    """
    script = out.with_name(out.name + ".ld")
    script.write_text(_script(memory, keep))
    triple = triple.replace("-linux-musleabihf", "-freestanding-eabihf")
    triple = triple.replace("-linux-musl", "-freestanding")
    line = [*_compiler(triple, cpu, command), "-static", "-nostartfiles", f"-Wl,-T,{script}"]
    line += ["-Wl,--gc-sections", "-Wl,--build-id=none", *flags]
    try:
        _run(line, objects, out)
    except CompilerCrash as error:
        over = _overflow(str(error.__cause__ or ""), memory)
        if over is None:
            raise
        raise BudgetError(over) from error
    finally:
        script.unlink(missing_ok=True)
    return out


def system(core: str) -> tuple[str, ...]:
    """The system's cross compiler for a core, with its flags. Raises ToolchainError, Unsupported.

    >>> compile_c([source], out, "", "", command=system("cortex_m4"))     # doctest: +SKIP
    """
    command = CORES[core].system if core in CORES else ()
    if not command:
        known = ", ".join(name for name, c in CORES.items() if c.system)
        raise UnsupportedError(f"no system compiler is known for core '{core}'; allowed: {known}")
    if shutil.which(command[0]) is None:
        package = command[0].replace("arm-none-eabi-gcc", "gcc-arm-none-eabi")
        raise ToolchainError(f"{command[0]} is missing; apt-get install {package}, or {MEND}")
    return command


def _script(memory: MemoryMap, keep: Sequence[str]) -> str:
    text = (resources.files("delrec_compile.targets") / SCRIPT).read_text(encoding="utf-8")
    return string.Template(text).substitute(
        keep=" ".join(("vectors", *keep)),
        flash_origin=f"{memory.flash.origin:#x}",
        flash_size=f"{memory.flash.size:#x}",
        ram_origin=f"{memory.ram.origin:#x}",
        ram_size=f"{memory.ram.size:#x}",
        stack=f"{-(-memory.stack // 8) * 8:#x}",
    )


def _compiler(triple: str, cpu: str, command: Sequence[str]) -> list[str]:
    if command:
        return list(command)
    if importlib.util.find_spec("ziglang") is None:
        raise ToolchainError(f"the cross compiler (ziglang) is missing; {MEND}")
    zig = [sys.executable, "-m", "ziglang", "cc"]
    return [*zig, "-target", triple, f"-mcpu={cpu}", *ZIG_ONLY]


def _run(line: Sequence[str], inputs: Sequence[Path], out: Path) -> None:
    """Raises CompilerCrash with the first error; its cause holds all that was printed."""
    tool = "zig cc" if line[0] == sys.executable else line[0]
    try:
        done = subprocess.run(
            [*line, *map(str, inputs), "-o", str(out)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CompilerCrash(f"{tool} took more than {TIMEOUT_S:g} s and was ended") from error
    if done.returncode:
        lines = done.stderr.splitlines() or ["no message"]
        first = next((s for s in lines if "error:" in s), lines[0])
        raise CompilerCrash(f"{tool} failed: {first}") from RuntimeError(done.stderr)


def _overflow(text: str, memory: MemoryMap) -> str | None:
    """What the linker says of full regions, in one line; None when it says something else."""
    over: dict[str, int] = {}
    # LLD: "will not fit in region 'FLASH': overflowed by 12 bytes"; GNU: "region `RAM' overflowed"
    for region, size in re.findall(r"region [`'](\w+)':? overflowed by (\d+) bytes", text):
        over[region] = max(over.get(region, 0), int(size))
    if not over:
        return None
    sizes = {"FLASH": memory.flash.size, "RAM": memory.ram.size}
    parts = [
        f"{name.lower() if name == 'FLASH' else name} is {n / KB:.1f} KB over its "
        f"{sizes[name] / KB:g} KB"
        for name, n in over.items()
    ]
    return f"does not fit {memory.name}: {', '.join(parts)}; try --numeric int8"
