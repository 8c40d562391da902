"""Kernels + glue -> the files of an artifact: library, C sources, or GPU code. Runs in a child."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile import targets, tuned
from delrec_compile.artifact import firmware
from delrec_compile.artifact.abi import ENTRIES
from delrec_compile.assemble_cuda import assemble_cuda
from delrec_compile.errors import UnsupportedError
from delrec_compile.glue import SOURCES, render
from delrec_compile.link import link
from delrec_compile.network import checkpoint
from delrec_compile.network.grid import grids
from delrec_compile.network.integer import checkpoint as integer_checkpoint
from delrec_compile.network.integer.model import AnyNetwork, IntegerNetwork
from delrec_compile.network.onnx_step.export import model_of
from delrec_compile.system import toolchain, tvm_loader, zig
from delrec_compile.system.chips import CORES, MemoryMap

if TYPE_CHECKING:
    from delrec_compile.composer import Kernel
    from delrec_compile.ops.schedule import Schedule

STATE_ALIGN = 64  # bytes, of the members of a library's state struct
Kernels = dict[str, "Kernel"]


@dataclass(frozen=True)
class Machine:
    """llvm: TVM's target. triple: of the C compiler, empty for this machine. core: its emulator.

    memory: of a chip without an operating system.
    """

    llvm: dict[str, Any]
    triple: str
    core: str
    memory: MemoryMap | None = None


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
    from delrec_compile.codegen import pick
    from delrec_compile.lower import lower
    from delrec_compile.ops.schedule import Schedule

    root = Path(stage)
    profile = targets.load(target)
    llvm, own = pick(profile, cpu)
    counts, whole = COUNTS[profile.form], root / integer_checkpoint.NAME
    floats = checkpoint.load(root / "network.safetensors")
    network: AnyNetwork = integer_checkpoint.load(whole) if whole.exists() else floats
    found = tuned.choose(tuned.key_of(profile, llvm, network), own, db) if db else None
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
    memory = firmware.memory_map(profile.memory)
    machine = Machine(llvm, profile.triple, profile.core, memory)
    facts = FORMS[profile.form](root, network, kernels, name, unroll, machine)
    return {
        "form": profile.form,
        "machine": profile.machine,
        "counts": counts,
        "clock_mhz": profile.clock_mhz,
        "board": profile.board,
        "memory": profile.memory,
        "flash": profile.flash,
        # start-up code is for Cortex-M; a profile with [flash] says that the chip starts from it
        "board_image": facts["image"] if profile.flash else None,
        "llvm": llvm,
        "schedule": vars(chosen),
        "tuning": found.as_dict() if found else None,
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


def likewise(root: Path, network: IntegerNetwork, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """An integer network compiled with the schedule and for the CPU of an artifact of this machine.

    Writes into `root`; returns the manifest of what it made.
    """
    from delrec_compile.ops.schedule import Schedule

    llvm, counts = manifest["llvm"], manifest["counts"]
    generator = "c" if llvm["kind"] == "c" else "llvm"
    kernels = _integer_kernels(network, Schedule(**manifest["schedule"]), generator, counts)
    name, unroll = manifest["name"], manifest["steps_per_call"]
    form = FORMS[manifest["form"]]
    facts = form(root, network, kernels, name, unroll, Machine(llvm, "", ""))
    state = _state(kernels["run"], manifest["form"])
    return {**manifest, "numeric": network.numeric, "state": state, **facts}


def _integer_kernels(
    network: IntegerNetwork, schedule: Schedule, generator: str, counts: str
) -> Kernels:
    from delrec_compile.compose_integer import compose_integer

    return {
        kernel: compose_integer(
            network, schedule, kernel=kernel, generator=generator, counts=counts
        )
        for kernel in schedule.kernels
    }


def _library(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    name: str,
    unroll: int,
    machine: Machine,
) -> dict[str, Any]:
    """lib/lib<name>.so, the same objects as lib/lib<name>.a, and include/<name>.h."""
    from delrec_compile.codegen import write_object

    for folder in ("lib", "include"):
        (root / folder).mkdir()
    library = root / "lib" / f"lib{name}.so"
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        work = Path(temporary)
        functions = {f"{name}_kernel_{k}": kernel.function for k, kernel in kernels.items()}
        write_object(functions, machine.llvm, work / "kernels.o")
        for file, text in render(network, kernels, name, unroll).items():
            (work / file).write_text(text)
        link(work, name, library, machine.triple)
        static = library.with_suffix(".a")
        toolchain.archive([work / "glue.o", work / "kernels.o"], static, cross=machine.triple)
        image = _image(work, name, root, machine) if machine.triple and machine.core else None
        shutil.copy(work / f"{name}.h", root / "include" / f"{name}.h")
    return {
        "library": f"lib/lib{name}.so",
        "library_bytes": library.stat().st_size,
        "static_library": f"lib/lib{name}.a",
        "image": image,
        "core": machine.core if image else None,
    }


def _sources(
    root: Path,
    network: AnyNetwork,
    kernels: Kernels,
    name: str,
    unroll: int,
    machine: Machine,
) -> dict[str, Any]:
    """include/, src/, test/ and what builds them; for a chip, the program in its memory too."""
    from delrec_compile.codegen import c_text

    files = render(network, kernels, name, unroll, SOURCES)
    run, trace = (f"{name}_kernel_{k}" for k in ("run", "trace"))
    files[f"src/{name}_kernel.c"] = c_text({run: kernels["run"].function})
    files[f"test/{name}_trace.c"] = c_text({trace: kernels["trace"].function})
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    facts: dict[str, Any] = {"library": None, "library_bytes": None, "image": None, "core": None}
    if not machine.core:
        return facts
    with tempfile.TemporaryDirectory(prefix="delrec-") as work:
        chip = firmware.Chip(machine.core, machine.memory)
        return {**facts, **firmware.program(root, name, chip, Path(work))}


def _cuda(
    root: Path,
    network: AnyNetwork,
    kernels: Any,
    name: str,
    unroll: int,
    machine: Machine,
) -> dict[str, Any]:
    del unroll
    if isinstance(network, IntegerNetwork):
        raise UnsupportedError(f"cuda has no numeric mode '{network.numeric}'; allowed: float32")
    return assemble_cuda(root, network, kernels, name, str(machine.llvm["arch"]))


FORMS: dict[str, Callable[..., dict[str, Any]]] = {
    "library": _library,
    "sources": _sources,
    "cuda": _cuda,
}
COUNTS = {"library": "float32", "sources": "uint8", "cuda": "float32"}


def _image(work: Path, name: str, root: Path, machine: Machine) -> str:
    """test/<name>.elf: the objects of the library, linked as a program that an emulator can run."""
    core = CORES[machine.core]
    objects = [work / f"{part}.o" for part in ("glue", "kernels", "alone")]
    (root / "test").mkdir()
    image = root / "test" / f"{name}.elf"
    keep = [f"{name}_{entry}" for entry in ENTRIES]
    zig.link_bare(objects, image, firmware.SPACE, core.triple, core.cpu, keep=keep)
    return str(image.relative_to(root))
