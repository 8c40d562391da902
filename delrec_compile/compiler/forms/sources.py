"""The form `sources`: C99 sources with build files, and a program for a chip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from delrec_compile.artifact import firmware
from delrec_compile.artifact.abi import EVENTS, LISTEN, UNCALLED
from delrec_compile.compiler.forms.machine import BuildMachine, Kernels, kernel_symbol
from delrec_compile.compiler.glue import SOURCES, render
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.network.integer.model import AnyNetwork
from delrec_compile.system.folders import work_folder

# what a program with a front end keeps for those who call it, and for an emulator
KEPT = (*LISTEN, "test_listener", "test_pcm", "test_scores")


def write_sources(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    name: str,
    unroll: int,
    machine: BuildMachine,
    front: FrontEnd | None = None,
) -> dict[str, Any]:
    """Writes include/, src/, test/ and build files; for a chip, the program in its memory too.

    front: the front end to put beside the network.

    Returns entries of the manifest.
    """
    from delrec_compile.compiler.codegen.c_text import c_text

    files = render(network, kernels, name, unroll, SOURCES, front)
    run, trace = (kernel_symbol(name, k) for k in ("run", "trace"))
    files[f"src/{name}_kernel.c"] = c_text({run: kernels["run"].function})
    files[f"test/{name}_trace.c"] = c_text({trace: kernels["trace"].function})
    if front is not None:
        files |= _front_end(front, name, network.outputs)
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    entries: dict[str, Any] = dict.fromkeys(("library", "library_bytes", "image", "core"))
    if not machine.core:
        return entries
    with work_folder() as work:
        chip = firmware.Chip(machine.core, machine.memory)
        extra = (*UNCALLED, EVENTS) if network.input_bits is None else UNCALLED
        extra = (*extra, *(KEPT if front is not None else ()))
        return {**entries, **firmware.program(root, name, chip, work, extra)}


def _front_end(front: FrontEnd, name: str, outputs: int) -> dict[str, str]:
    from delrec_compile.compiler.codegen.c_text import c_text
    from delrec_compile.compiler.front_end import KERNEL, front_end_files, front_end_kernel

    texts = front_end_files(front, name, outputs, aligned=False)
    folders = {".h": "include", ".c": "src"}
    files = {f"{folders[Path(file).suffix]}/{file}": text for file, text in texts.items()}
    kernel = {kernel_symbol(name, KERNEL): front_end_kernel(front, "c").function}
    return {**files, f"src/{name}_{KERNEL}_kernel.c": c_text(kernel)}
