"""Kernels + glue -> the files of an artifact: library, C sources, or GPU code. Runs in a child."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile import targets
from delrec_compile.artifact.abi import StateVariable, state_from_json
from delrec_compile.artifact.manifest import Manifest
from delrec_compile.compiler.forms.cuda import write_cuda
from delrec_compile.compiler.forms.library import write_library
from delrec_compile.compiler.forms.machine import BuildMachine, Kernels
from delrec_compile.compiler.forms.sources import write_sources
from delrec_compile.compiler.schedules import choice
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import AnyNetwork, IntegerNetwork
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.system import tvm_loader

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.base import Kernel
    from delrec_compile.targets.schedule import Schedule

STATE_ALIGN = 64  # bytes, of the members of a library's state struct


def assemble(
    stage: str,
    target: str,
    name: str,
    unroll: int,
    cpu: str | None,
    dump: str | None,
    db: str | None = None,
    schedule: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """network.safetensors of the stage -> the files of the target's form beside it.

    Where the stage has an integer network, that is what is compiled. db: the store of tuned
    schedules to look into; None: the profile's own is taken. schedule: in place of both. Returns
    what the manifest says of them.
    """
    tvm_loader.load()
    from delrec_compile.compiler.codegen.cpu import pick
    from delrec_compile.compiler.lower import lower
    from delrec_compile.targets.schedule import Schedule

    root = Path(stage)
    profile = targets.load(target)
    llvm, own = pick(profile, cpu)
    counts, whole = COUNTS[profile.form], root / integer_checkpoint.NAME
    floats = checkpoint.load(root / "network.safetensors")
    network: AnyNetwork = integer_checkpoint.load(whole) if whole.exists() else floats
    found = choice.choose(choice.key_of(profile, llvm, network), own, db) if db else None
    chosen = Schedule(**schedule) if schedule else found.schedule if found else own
    if isinstance(network, IntegerNetwork):
        kernels = _integer_kernels(network, chosen, profile.generator, counts)
    else:
        kernels = lower(
            model_of(floats, "semantic"),
            chosen,
            generator=profile.generator,
            counts=counts,
            grids=grids(floats),
            dump=Path(dump) if dump else None,
        )
    memory, flash = profile.memory, profile.flash
    machine = BuildMachine(llvm, profile.triple, profile.core, memory.map if memory else None)
    facts = FORMS[profile.form](root, network, kernels, name, unroll, machine)
    return {
        "form": profile.form,
        "machine": profile.machine,
        "counts": counts,
        "clock_mhz": profile.clock_mhz,
        "board": profile.board,
        "memory": memory.to_json() if memory else {},
        "flash": flash.to_json() if flash else {},
        # start-up code is for Cortex-M; a profile with [flash] says that the chip starts from it
        "board_image": facts["image"] if flash else None,
        "llvm": llvm,
        "schedule": vars(chosen),
        "tuning": found.to_json() if found else None,
        "state": _state(kernels["run"], profile.form),
        **facts,
    }


def _state(kernel: Kernel, form: str) -> dict[str, Any]:
    """The members of a stream's state struct: elements, type, and bytes from its start."""
    at, out = 0, {}
    for name, (elements, dtype) in kernel.state.items():
        size = np.dtype(dtype).itemsize
        align = STATE_ALIGN if form == "library" else size
        at = -(-at // align) * align
        out[name] = {"elements": elements, "dtype": dtype, "offset": at}
        at += elements * size
    return out


def recompile_integer(root: Path, network: IntegerNetwork, manifest: Manifest) -> Manifest:
    """An integer network compiled with the schedule and for the CPU of an artifact of this machine.

    Writes into `root`; returns the manifest of what it made.
    """
    from delrec_compile.targets.schedule import Schedule

    m = manifest
    generator = "c" if m.llvm["kind"] == "c" else "llvm"
    kernels = _integer_kernels(network, Schedule(**m.schedule), generator, m.counts)
    machine = BuildMachine(m.llvm, "", "")
    files = FORMS[m.form](root, network, kernels, m.name, m.steps_per_call, machine)
    state = state_from_json(_state(kernels["run"], m.form), StateVariable)
    return replace(m, numeric=network.numeric, state=state, **files)


def _integer_kernels(
    network: IntegerNetwork, schedule: Schedule, generator: str, counts: str
) -> Kernels:
    from delrec_compile.compiler.kernels.integer import compose_integer

    return {
        kernel: compose_integer(
            network, schedule, kernel=kernel, generator=generator, counts=counts
        )
        for kernel in schedule.kernels
    }


FORMS: dict[str, Callable[..., dict[str, Any]]] = {
    "library": write_library,
    "sources": write_sources,
    "cuda": write_cuda,
}
COUNTS = {"library": "float32", "sources": "uint8", "cuda": "float32"}
