"""Kernels + glue -> the files of an artifact: a shared library, or C sources. Runs in a child."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile import checkpoint, targets, toolchain
from delrec_compile.export import export
from delrec_compile.glue import SOURCES, render
from delrec_compile.network import Network

if TYPE_CHECKING:
    from delrec_compile.compose import Kernel

ENTRIES = ("reset", "step", "run", "trace", "state_bytes", "self_test")
FLAGS = ("-fPIC", "-ffp-contract=off", "-Wall", "-Wextra")
Kernels = dict[str, "Kernel"]
Machine = tuple[dict[str, Any], str]  # TVM's target, and the triple of the C compiler


def assemble(
    stage: str, target: str, name: str, unroll: int, cpu: str | None, dump: str | None
) -> dict[str, Any]:
    """network.safetensors of the stage -> the files of the target's form beside it.

    Returns what the manifest says of them.
    """
    from delrec_compile.codegen import pick
    from delrec_compile.lower import lower

    root = Path(stage)
    profile = targets.load(target)
    network = checkpoint.load(root / "network.safetensors")
    llvm, schedule = pick(profile, cpu)
    counts = COUNTS[profile.form]
    kernels = lower(
        export(network, form="semantic"),
        schedule,
        generator=profile.generator,
        counts=counts,
        dump=Path(dump) if dump else None,
    )
    facts = FORMS[profile.form](root, network, kernels, name, unroll, (llvm, profile.triple))
    return {
        "form": profile.form,
        "machine": profile.machine,
        "counts": counts,
        "llvm": llvm,
        "schedule": vars(schedule),
        "state": {n: {"elements": s, "dtype": d} for n, (s, d) in kernels["run"].state.items()},
        **facts,
    }


def library_of(sources: Path, name: str, folder: Path) -> Path:
    """Compiles the C sources of an artifact, tests included, to a shared library in `folder`."""
    library = folder / f"lib{name}.so"
    files = sorted([*sources.glob("src/*.c"), *sources.glob(f"test/{name}_*.c")])
    include = [f"-I{sources / part}" for part in ("include", "src", "test")]
    toolchain.run_cc("-std=c99", "-O3", *FLAGS, *include, "-shared", *files, "-o", library)
    return library


def _library(
    root: Path, network: Network, kernels: Kernels, name: str, unroll: int, machine: Machine
) -> dict[str, Any]:
    """lib/lib<name>.so and include/<name>.h."""
    from delrec_compile.codegen import write_object

    llvm, triple = machine

    for folder in ("lib", "include"):
        (root / folder).mkdir()
    library = root / "lib" / f"lib{name}.so"
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        work = Path(temporary)
        functions = {f"{name}_kernel_{k}": kernel.function for k, kernel in kernels.items()}
        write_object(functions, llvm, work / "kernels.o")
        for file, text in render(network, kernels["run"], name, unroll).items():
            (work / file).write_text(text)
        _link(work, name, library, triple)
        shutil.copy(work / f"{name}.h", root / "include" / f"{name}.h")
    return {"library": f"lib/lib{name}.so", "library_bytes": library.stat().st_size}


def _sources(
    root: Path, network: Network, kernels: Kernels, name: str, unroll: int, machine: Machine
) -> dict[str, Any]:
    """include/, src/, test/ and what builds them."""
    from delrec_compile.codegen import c_text

    del machine
    files = render(network, kernels["run"], name, unroll, SOURCES)
    run, trace = (f"{name}_kernel_{k}" for k in ("run", "trace"))
    files[f"src/{name}_kernel.c"] = c_text({run: kernels["run"].function})
    files[f"test/{name}_trace.c"] = c_text({trace: kernels["trace"].function})
    for file, text in files.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return {"library": None, "library_bytes": None}


FORMS: dict[str, Callable[..., dict[str, Any]]] = {"library": _library, "sources": _sources}
COUNTS = {"library": "float32", "sources": "uint8"}


def _link(work: Path, name: str, library: Path, triple: str) -> None:
    exports = work / "exports.map"
    exports.write_text("{ global: " + " ".join(f"{name}_{e};" for e in ENTRIES) + " local: *; };\n")
    source, glue = work / f"{name}.c", work / "glue.o"
    toolchain.run_cc("-std=c11", "-O1", *FLAGS, "-I", work, "-c", source, "-o", glue, cross=triple)
    toolchain.run_cc(
        "-shared",
        f"-Wl,--version-script={exports}",
        "-Wl,--build-id=none",
        "-Wl,--gc-sections",
        "-s",
        glue,
        work / "kernels.o",
        "-o",
        library,
        cross=triple,
    )
