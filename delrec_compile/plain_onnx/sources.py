"""A plain step as C sources, and the program for a chip that is made from them. Runs in a child."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile import targets
from delrec_compile.artifact import firmware
from delrec_compile.compiler.forms.machine import kernel_symbol
from delrec_compile.errors import BudgetError
from delrec_compile.plain_onnx.c_kernels import c_kernels
from delrec_compile.plain_onnx.source_glue import render
from delrec_compile.plain_onnx.step_graph import StepGraph
from delrec_compile.system.folders import work_folder
from delrec_compile.targets.profile import Target

if TYPE_CHECKING:
    from delrec_compile.plain_onnx.lower import Program

CODE = 16 << 10  # bytes of a program without its constants, about


def write_sources(
    root: Path, graph: StepGraph, program: Program, name: str, profile: Target
) -> dict[str, Any]:
    """Writes include/, src/, test/ and build files; for a chip, the program in its memory too.

    Returns entries of the manifest. Raises BudgetError where the program does not fit,
    UnsupportedError for a function that needs a C library.
    """
    symbols = {kernel: kernel_symbol(name, kernel) for kernel in program.functions}
    functions = {symbols[kernel]: f for kernel, f in program.functions.items()}
    kernels = c_kernels(functions, f"{name}_math.h")
    scratch = {kernel: kernels.scratch[symbol] for kernel, symbol in symbols.items()}
    files = render(graph, program, scratch, name)
    files[f"src/{name}_kernel.c"] = kernels.text
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return _program(root, program, name, profile) if profile.core else {"library": None}


def _program(root: Path, program: Program, name: str, profile: Target) -> dict[str, Any]:
    memory = profile.memory.map if profile.memory else None
    with work_folder() as work:
        chip = firmware.Chip(profile.core, memory)
        try:
            built = firmware.program(root, name, chip, work, ())
        except BudgetError as error:
            raise BudgetError(f"{error}; {_larger(program)}") from error
    return {
        "library": None,
        "clock_mhz": profile.clock_mhz,
        "board": profile.board,
        "memory": profile.memory.to_json() if profile.memory else {},
        "flash": profile.flash.to_json() if profile.flash else {},
        "board_image": built["image"] if profile.flash else None,
        **built,
    }


def _larger(program: Program) -> str:
    """What would do for a step that is too large, in a line."""
    weights = sum(array.nbytes for array in program.constants.values())
    names = [*targets.names(), *targets.board_names()]
    profiles = [targets.load(name) for name in names]
    fits = [p for p in profiles if p.memory and p.memory.map.flash.size >= weights + CODE]
    free = [p for p in profiles if p.form != "cuda" and p.memory is None]
    return (
        f"its constants take {weights:,} bytes: make its layers smaller, or take a target with more "
        f"memory: {', '.join(p.name for p in (*fits, *free))}"
    )
