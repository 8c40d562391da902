"""C and objects -> code for another chip, with the compiler and linker of the ziglang wheel.

Links are freestanding: no libc. Zig's own runtime gives memset, memcpy and, on cores without an
FPU, the float routines; functions that nothing calls are dropped.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from delrec_compile.errors import BudgetError, CompilerCrash
from delrec_compile.system.chips import KB, MemoryMap
from delrec_compile.system.toolchain import run_tool, zig_command

COMPILE = (
    "-std=c11",
    "-O2",
    "-g0",
    "-fno-unroll-loops",
    "-fomit-frame-pointer",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
)
ZIG_ONLY = ("-fno-sanitize=undefined",)
WASM_EXPORTS = ("-Wl,--export=__heap_base", "-Wl,--export=__stack_pointer")
SCRIPT = "cortex_m/bare.ld.in"


def compile_c(
    sources: Sequence[Path], out: Path, triple: str, cpu: str, flags: Sequence[str] = ()
) -> Path:
    """C files (or objects) -> the kind of file that the name of `out` says.

    `.o`: an object, from one source. `.wasm`: a module that exports its memory, heap base, stack
    pointer and the names in `-Wl,--export=` flags. Anything else: a static executable. triple, cpu:
    those of a `chips.Core`. Raises ToolchainError, and CompilerCrash with the compiler's first
    error.
    """
    linked: dict[str, tuple[str, ...]] = {
        ".o": ("-c",),
        ".wasm": ("-Wl,--no-entry", "-Wl,-s", *WASM_EXPORTS),
    }
    kind = linked.get(out.suffix, ("-static", "-Wl,-s", "-Wl,--gc-sections"))
    command = [*zig_command("cc", triple, cpu), *ZIG_ONLY, *COMPILE, *kind, *flags]
    run_tool([*command, *map(str, sources), "-o", str(out)])
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
) -> Path:
    """Objects -> a freestanding static ELF at the addresses of `memory`, with its symbols.

    keep: functions to link; others are linked only if these use them. Raises BudgetError with the KB
    that are over when a region is too small, ToolchainError, CompilerCrash.
    """
    script = out.with_name(out.name + ".ld")
    script.write_text(_script(memory, keep))
    triple = triple.replace("-linux-musleabihf", "-freestanding-eabihf")
    triple = triple.replace("-linux-musl", "-freestanding")
    command = [*zig_command("cc", triple, cpu), *ZIG_ONLY]
    command += ["-static", "-nostartfiles", "-Xlinker", "-T", "-Xlinker", str(script)]
    command += ["-Wl,--gc-sections", "-Wl,--build-id=none", *flags]
    try:
        run_tool([*command, *map(str, objects), "-o", str(out)])
    except CompilerCrash as error:
        over = _overflow(str(error.__cause__ or ""), memory)
        if over is None:
            raise
        raise BudgetError(over) from error
    finally:
        script.unlink(missing_ok=True)
    return out


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


def _overflow(text: str, memory: MemoryMap) -> str | None:
    """The full regions in a linker's message, in one line; None when it is about something else."""
    over: dict[str, int] = {}
    # LLD: "will not fit in region 'FLASH': overflowed by 12 bytes"
    for region, size in re.findall(r"region '(\w+)': overflowed by (\d+) bytes", text):
        over[region] = max(over.get(region, 0), int(size))
    if not over:
        return None
    sizes = {"FLASH": memory.flash.size, "RAM": memory.ram.size}
    parts = [
        f"{name.lower() if name == 'FLASH' else name} is {n / KB:.1f} KB over its "
        f"{sizes[name] / KB:g} KB"
        for name, n in over.items()
    ]
    return f"does not fit {memory.name}: {', '.join(parts)}"
