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
from delrec_compile.compiler.glue import counts_of, stack_of, state_members
from delrec_compile.compiler.schedules import choice
from delrec_compile.data.front_end import FrontEnd
from delrec_compile.errors import UnsupportedError
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import AnyNetwork, IntegerNetwork
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.system import tvm_loader
from delrec_compile.targets.profile import Memory, Target
from delrec_compile.targets.schedule import Schedule

if TYPE_CHECKING:
    from delrec_compile.compiler.kernels.base import Kernel

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
    memory: Mapping[str, Any] | None = None,
    front: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """network.safetensors of the stage -> the files of the target's form beside it.

    An integer network in the stage is compiled in its place. db: store of tuned schedules; None: the
    profile's own. schedule: in place of both. memory: in place of the profile's. front: description
    of the front end to put beside the network. Returns entries of the manifest.
    """
    tvm_loader.load()
    from delrec_compile.compiler.codegen.cpu import pick
    from delrec_compile.compiler.kernels.stack import limit_of

    root, profile = Path(stage), _profile(target, memory)
    llvm, own = pick(profile, cpu)
    floats = checkpoint.load(root / "network.safetensors")
    quantised = root / integer_checkpoint.NAME
    network: AnyNetwork = integer_checkpoint.load(quantised) if quantised.exists() else floats
    tuned = choice.choose(choice.key_of(profile, llvm, network), own, db) if db else None
    chosen = Schedule(**schedule) if schedule else tuned.schedule if tuned else own
    counts = counts_of(network, profile.form)
    machine = BuildMachine.of(profile, llvm)
    stack = limit_of(profile.form, machine.memory)
    beside = front_end_beside(front, stack)
    kernels = _kernels(network, chosen, profile.generator, counts, stack, dump)
    files = _write(root, network, kernels, profile.form, name, unroll, machine, **beside)
    return {
        **_profile_entries(profile),
        # start-up code is for Cortex-M; a profile with [flash] says that the chip starts from it
        "board_image": files["image"] if profile.flash else None,
        "counts": counts,
        "llvm": llvm,
        "schedule": vars(chosen),
        "tuning": tuned.to_json() if tuned else None,
        **({"front_end": dict(front)} if front else {}),
        **files,
    }


def front_end_beside(front: Mapping[str, Any] | None, limit: int | None) -> dict[str, FrontEnd]:
    """The option of a form that has the front end, if there is one.

    limit: bytes of stack for the arrays of a kernel. Raises UnsupportedError where they do not fit.
    """
    if not front:
        return {}
    described = FrontEnd.from_json(front)
    need = described.stack + described.channels
    if limit is not None and need > limit:
        raise UnsupportedError(
            f"--with-frontend: a block of {described.step_ms} ms takes {need:,} bytes of stack, the "
            f"target has {limit:,} for it; a front end of shorter steps is required"
        )
    return {"front": described}


def _profile(target: str, memory: Mapping[str, Any] | None) -> Target:
    """The profile, in a memory of its own or in another."""
    profile = targets.load(target)
    return replace(profile, memory=Memory.from_table(memory, "memory")) if memory else profile


def recompile_integer(root: Path, network: IntegerNetwork, manifest: Manifest) -> Manifest:
    """Compiles an integer network with the schedule and for the CPU of an artifact of this machine.

    Writes into `root`; returns the manifest of its files.
    """
    from delrec_compile.compiler.kernels.stack import limit_of

    m = manifest
    generator = "c" if m.llvm["kind"] == "c" else "llvm"
    schedule, stack = Schedule(**m.schedule), limit_of(m.form)
    kernels = _integer_kernels(network, schedule, generator, m.counts, stack)
    machine = BuildMachine(m.llvm, "", "")
    files = _write(root, network, kernels, m.form, m.name, m.steps_per_call, machine)
    state = state_from_json(files.pop("state"), StateVariable)
    return replace(m, numeric=network.numeric, state=state, **{"files": {}, **files})


def _profile_entries(profile: Target) -> dict[str, Any]:
    """Entries of the manifest that come from the profile as they are."""
    return {
        "form": profile.form,
        "machine": profile.machine,
        "clock_mhz": profile.clock_mhz,
        "board": profile.board,
        "memory": profile.memory.to_json() if profile.memory else {},
        "flash": profile.flash.to_json() if profile.flash else {},
    }


def _write(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    form: str,
    name: str,
    unroll: int,
    machine: BuildMachine,
    **options: FrontEnd,
) -> dict[str, Any]:
    """Writes the files of a form; returns their entries of the manifest, and the state's.

    options: of the form.
    """
    from delrec_compile.compiler.kernels.used import without_unused

    kernels = without_unused(kernels)
    files = FORMS[form](root, network, kernels, name, unroll, machine, **options)
    state = _state(state_members(network, kernels["run"], form), form)
    return {"state": state, "stack_bytes": stack_of(network, kernels, form, **options), **files}


def _state(members: Mapping[str, tuple[int, str]], form: str) -> dict[str, Any]:
    """The members of a stream's state struct: elements, type, and bytes from its start."""
    at, out = 0, {}
    for name, (elements, dtype) in members.items():
        size = np.dtype(dtype).itemsize
        align = STATE_ALIGN if form == "library" else size
        at = -(-at // align) * align
        out[name] = {"elements": elements, "dtype": dtype, "offset": at}
        at += elements * size
    return out


def _kernels(
    network: AnyNetwork,
    schedule: Schedule,
    generator: str,
    counts: str,
    stack: int | None,
    dump: str | None,
) -> Kernels:
    if isinstance(network, IntegerNetwork):
        return _integer_kernels(network, schedule, generator, counts, stack)
    return _float_kernels(network, schedule, generator, counts, stack, dump)


def _float_kernels(
    network: Network,
    schedule: Schedule,
    generator: str,
    counts: str,
    stack: int | None,
    dump: str | None,
) -> Kernels:
    from delrec_compile.compiler.lower import lower

    return lower(
        model_of(network, "semantic"),
        schedule,
        generator=generator,
        counts=counts,
        grids=grids(network),
        stack=stack,
        dump=Path(dump) if dump else None,
    )


def _integer_kernels(
    network: IntegerNetwork, schedule: Schedule, generator: str, counts: str, stack: int | None
) -> Kernels:
    from delrec_compile.compiler.kernels.gpu_integer import compose_integer_gpu
    from delrec_compile.compiler.kernels.integer import compose_integer
    from delrec_compile.compiler.kernels.nodes import allowed
    from delrec_compile.compiler.kernels.stack import fitted

    if generator == "cuda":
        names = ("run", "trace")
        return {n: compose_integer_gpu(network, schedule, trace=n == "trace") for n in names}
    options: dict[str, Any] = {"generator": generator, "counts": counts}

    def make(kernel: str, schedule: Schedule, workspace: Mapping[str, int]) -> Kernel:
        return compose_integer(network, schedule, kernel=kernel, workspace=workspace, **options)

    return fitted(allowed(schedule, network), stack, make)


FORMS: dict[str, Callable[..., dict[str, Any]]] = {
    "library": write_library,
    "sources": write_sources,
    "cuda": write_cuda,
}
