"""The form `library`: shared and static library, header, and a program for an emulator."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from delrec_compile.artifact import firmware
from delrec_compile.artifact.abi import BATCH, ENTRIES, LISTEN, UNCALLED
from delrec_compile.artifact.templates import render_files
from delrec_compile.compiler.forms.machine import BuildMachine, Kernels, kernel_symbol
from delrec_compile.compiler.glue import LIBRARY_PACKAGE, render
from delrec_compile.compiler.shared_library import library_name, link
from delrec_compile.compiler.tables import table_file
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import CompilerCrash
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.system import toolchain, zig
from delrec_compile.system.chips import CORES
from delrec_compile.system.elf import arm_features
from delrec_compile.system.folders import work_folder


def write_library(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    name: str,
    unroll: int,
    machine: BuildMachine,
    front: FrontEnd | None = None,
) -> dict[str, Any]:
    """Writes lib/lib<name>.so, the same objects as lib/lib<name>.a, the headers, and what CMake
    and pkg-config find them by.

    front: the front end to put beside the network. Returns entries of the manifest.
    """
    from delrec_compile.compiler.codegen.native import write_object

    for folder in ("lib", "include"):
        (root / folder).mkdir()
    library = root / "lib" / library_name(name, machine.triple)
    with work_folder() as work:
        functions = {kernel_symbol(name, k): kernel.function for k, kernel in kernels.items()}
        tables = work / "tables.bin"
        tables.write_bytes(table_file(kernels["run"].tables))
        embedded = tables if machine.is_elf else None
        texts = render(network, kernels, name, unroll, front=front, embedded=embedded)
        if front is not None:
            texts |= _front_end(front, name, network.outputs, functions)
        write_object(functions, machine.llvm, work / "kernels.o")
        for file, text in texts.items():
            (work / file).write_text(text)
        entries = (*ENTRIES, *(LISTEN if front is not None else ()))
        objects = _linked(work, name, library, machine, entries)
        emulated = machine.triple and machine.core
        image = _image(objects, name, root, machine, entries) if emulated else None
        for header in (h for h in work.glob(f"{name}*.h*") if h.name != f"{name}_tables.h"):
            shutil.copy(header, root / "include")
    _write_package(root, network, name, library.name)
    return {
        "library": f"lib/{library.name}",
        "library_bytes": library.stat().st_size,
        "static_library": f"lib/lib{name}.a",
        "image": image,
        "core": machine.core if image else None,
    }


def _linked(
    work: Path, name: str, library: Path, machine: BuildMachine, entries: Sequence[str]
) -> list[Path]:
    """The objects of the library and of its static twin, with what a program alone needs."""
    exported = (*entries, BATCH, *UNCALLED)
    objects = link(work, name, library, machine.triple, exported, cpu=machine.cpu)
    if machine.triple.startswith("arm-"):
        check_cpu(library, machine.llvm)
    static = library.with_name(f"lib{name}.a")
    toolchain.archive(objects, static, cross=machine.triple)
    return [*objects, work / "alone.o"]


def _front_end(
    front: FrontEnd, name: str, outputs: int, functions: dict[str, Any]
) -> dict[str, str]:
    """The C of a front end by file name; its kernel is put into `functions`."""
    from delrec_compile.compiler.front_end import KERNEL, front_end_files, front_end_kernel

    functions[kernel_symbol(name, KERNEL)] = front_end_kernel(front, "llvm").function
    return front_end_files(front, name, outputs, aligned=True)


def _write_package(root: Path, network: AnyNetwork, name: str, library: str) -> None:
    """Writes what CMake and pkg-config find the library by."""
    summary = f"a spiking network, {network.inputs} inputs, {network.outputs} outputs"
    found = {"name": name, "file": library, "summary": summary}
    for file, text in render_files(LIBRARY_PACKAGE, found).items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)


def check_cpu(library: Path, llvm: dict[str, Any]) -> None:
    """Raises CompilerCrash where the library says that it needs what its CPU has not."""
    from delrec_compile.compiler.codegen.cpu import features_of

    needed = arm_features(library)
    missing = needed - features_of(llvm) if needed else set()
    if missing:
        raise CompilerCrash(
            f"the library needs {', '.join(sorted(missing))}, which the CPU '{llvm['mcpu']}' has not; "
            "report this"
        )


def _image(
    objects: list[Path], name: str, root: Path, machine: BuildMachine, entries: Sequence[str]
) -> str:
    """Links the objects of the library as test/<name>.elf, a program for an emulator."""
    core = CORES[machine.core]
    (root / "test").mkdir()
    image = root / "test" / f"{name}.elf"
    keep = [f"{name}_{entry}" for entry in entries]
    zig.link_bare(objects, image, firmware.SPACE, core.triple, machine.cpu or core.cpu, keep=keep)
    return str(image.relative_to(root))
