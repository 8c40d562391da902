"""C sources of an artifact -> programs for its chip, which run in an emulator and fit its memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from delrec_compile.artifact.abi import ENTRIES, UNCALLED
from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.system.chips import CORES, Core, MemoryMap, Region
from delrec_compile.system.elf import sizes
from delrec_compile.system.zig import compile_c, link_bare
from delrec_compile.targets.profile import Memory

# variables of a test program, which has no heap
BUFFERS = ("test_state", "test_x", "test_y")
# memory of a program for a system with virtual memory, or one that need not fit a chip
SPACE = MemoryMap("virtual memory", Region(0x400000, 1 << 24), Region(0x4000000, 1 << 26))


@dataclass(frozen=True)
class Chip:
    """A chip. core: key of `system.chips.CORES`. memory: None where programs have no addresses."""

    core: str
    memory: MemoryMap | None

    @property
    def tools(self) -> Core:
        if self.core not in CORES:
            raise UnsupportedError(
                f"unknown core '{self.core}'{did_you_mean(self.core, CORES)}; "
                f"allowed: {', '.join(CORES)}"
            )
        return CORES[self.core]


def memory_map(table: dict[str, Any]) -> MemoryMap | None:
    """The memory of a chip from a manifest's `memory`; None where it is empty."""
    return Memory.from_table(table, "'memory' of the manifest").map if table else None


def program(root: Path, name: str, chip: Chip, work: Path, extra: Sequence[str]) -> dict[str, Any]:
    """test/<name>.elf: the artifact's sources with their self-test, at the chip's own addresses.

    On Cortex-M it starts from reset. For WebAssembly: lib/<name>.wasm. extra: entries
    beside the usual ones. Returns its keys of the manifest. Raises BudgetError when it does not fit,
    ToolchainError, CompilerCrash.
    """
    names = [*ENTRIES, *BUFFERS, *extra]
    entries = [f"{name}_{e}" for e in names if e != "trace"]
    keys = {"core": chip.core, "flash_bytes": None, "ram_bytes": None}
    if chip.memory is None:
        module = root / "lib" / f"{name}.wasm"
        module.parent.mkdir()
        _wasm(_sources(root, name), root, module, chip, entries)
        return {**keys, "image": str(module.relative_to(root)), "flash_bytes": _bytes(module)}
    entries = [entry for entry in entries if entry not in {f"{name}_{e}" for e in UNCALLED}]
    image = self_testing(root, name, chip, work, root / "test" / f"{name}.elf", entries)
    memory = sizes(image)
    return {
        **keys,
        "image": str(image.relative_to(root)),
        "flash_bytes": memory.flash,
        "ram_bytes": memory.ram,
    }


def self_testing(
    root: Path, name: str, chip: Chip, work: Path, image: Path, keep: Sequence[str] = ()
) -> Path:
    """The sources with their self-test, linked as `image`. keep: functions beside what that needs.

    On Cortex-M it starts from reset. Raises BudgetError, ToolchainError, CompilerCrash.
    """
    if chip.memory is None:
        raise UnsupportedError(f"'{chip.core}' has no memory to link a program in")
    objects = [_object(source, root, chip, work) for source in _sources(root, name)]
    core, keep = chip.tools, [*keep, f"{name}_self_test"]
    if chip.core.startswith("cortex_m"):
        objects += start_up(core, f"{name}_self_test", work)
        keep.append("Reset_Handler")
    return link_bare(objects, image, chip.memory, core.triple, core.cpu, keep=keep)


def trace_program(root: Path, name: str, chip: Chip, work: Path) -> Path:
    """The same sources with the tracing kernel beside them, in a space where everything fits."""
    sources = [*_sources(root, name), root / "test" / f"{name}_trace.c"]
    entries = [f"{name}_{e}" for e in ENTRIES]
    if chip.memory is None:
        return _wasm(sources, root, work / f"{name}.wasm", chip, entries)
    core, image = chip.tools, work / f"{name}-trace.elf"
    objects = [_object(source, root, chip, work) for source in sources]
    return link_bare(objects, image, SPACE, core.triple, core.cpu, keep=entries)


def replay_program(root: Path, name: str, chip: Chip, sizes: Mapping[str, int], work: Path) -> Path:
    """A board's program that replays recorded input: see targets/cortex_m/replay.c.

    sizes: INPUTS, OUTPUTS and, where there is a tracing kernel, NEURONS.
    """
    if chip.memory is None:
        raise UnsupportedError(f"'{chip.core}' has no board with memory to replay on")
    core, here = chip.tools, _start_up_folder()
    defines = [f"-DNAME={name}", f'-DHEADER="{name}_test.h"']
    defines += [f"-D{macro}={size}" for macro, size in sizes.items()]
    traced = [root / "test" / f"{name}_trace.c"] if "NEURONS" in sizes else []
    sources = [*_sources(root, name), *traced]
    objects = [_object(source, root, chip, work) for source in sources]
    for part in ("startup", "replay"):
        flags = [*defines, *_includes(root)]
        out = work / f"{part}.o"
        objects.append(compile_c([here / f"{part}.c"], out, core.triple, core.cpu, flags))
    image = work / f"{name}-replay.elf"
    keep = ["Reset_Handler"]
    return link_bare(objects, image, chip.memory, core.triple, core.cpu, keep=keep)


def _start_up_folder() -> Path:
    return Path(str(resources.files("delrec_compile.targets") / "cortex_m"))


def start_up(core: Core, self_test: str, work: Path) -> list[Path]:
    """Objects that start a Cortex-M from reset, run the self-test and exit with its result."""
    out = []
    for part in ("startup", "self_test"):
        source = _start_up_folder() / f"{part}.c"
        flags = [f"-DSELF_TEST={self_test}"]
        out.append(compile_c([source], work / f"{part}.o", core.triple, core.cpu, flags))
    return out


def _sources(root: Path, name: str) -> list[Path]:
    return [*sorted(root.glob("src/*.c")), root / "test" / f"{name}_test.c"]


def _includes(root: Path) -> list[str]:
    return [f"-I{root / part}" for part in ("include", "src", "test")]


def _object(source: Path, root: Path, chip: Chip, work: Path) -> Path:
    core = chip.tools
    return compile_c([source], work / f"{source.stem}.o", core.triple, core.cpu, _includes(root))


def _wasm(
    sources: Sequence[Path], root: Path, out: Path, chip: Chip, entries: Sequence[str]
) -> Path:
    core = chip.tools
    exports = [f"-Wl,--export={entry}" for entry in entries]
    return compile_c(sources, out, core.triple, core.cpu, [*_includes(root), *exports])


def _bytes(path: Path) -> int:
    return path.stat().st_size
