"""The form `sources`: C99 sources with build files, and a program for a chip."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from delrec_compile.artifact import firmware
from delrec_compile.artifact.abi import CLASSES, EVENTS
from delrec_compile.compiler.forms.machine import BuildMachine, Kernels, kernel_symbol
from delrec_compile.compiler.glue import SOURCES, render
from delrec_compile.network.integer.model import AnyNetwork


def write_sources(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    name: str,
    unroll: int,
    machine: BuildMachine,
) -> dict[str, Any]:
    """Writes include/, src/, test/ and build files; for a chip, the program in its memory too.

    Returns entries of the manifest.
    """
    from delrec_compile.compiler.codegen.c_text import c_text

    files = render(network, kernels, name, unroll, SOURCES)
    run, trace = (kernel_symbol(name, k) for k in ("run", "trace"))
    files[f"src/{name}_kernel.c"] = c_text({run: kernels["run"].function})
    files[f"test/{name}_trace.c"] = c_text({trace: kernels["trace"].function})
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    entries: dict[str, Any] = dict.fromkeys(("library", "library_bytes", "image", "core"))
    if not machine.core:
        return entries
    with tempfile.TemporaryDirectory(prefix="delrec-") as work:
        chip = firmware.Chip(machine.core, machine.memory)
        extra = (*CLASSES, EVENTS) if network.input_bits is None else CLASSES
        return {**entries, **firmware.program(root, name, chip, Path(work), extra)}
