"""ONNX step -> artifact: a library or C sources, and the graph that they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from delrec_compile import targets
from delrec_compile.aliases import Progress
from delrec_compile.artifact.abi import artifact_name
from delrec_compile.artifact.package import checksums, named, staging, tools
from delrec_compile.artifact.plain import PlainArtifact, PlainManifest
from delrec_compile.compiler.forms.library import check_cpu
from delrec_compile.compiler.forms.machine import BuildMachine, kernel_symbol
from delrec_compile.compiler.shared_library import link
from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.glue import render
from delrec_compile.plain_onnx.step_graph import StepGraph, read
from delrec_compile.system import child, toolchain, tvm_loader
from delrec_compile.system.folders import work_folder
from delrec_compile.targets.profile import Target

if TYPE_CHECKING:
    from delrec_compile.plain_onnx.lower import Program

FORMS = ("library", "sources")
TILE = 8  # sums in registers of a core without vectors
ENTRIES = ("reset", "step", "run", "state_bytes", "self_test")


def build_plain(
    path: Path | str,
    target: str = "x86_64",
    out: Path | str | None = None,
    *,
    name: str | None = None,
    state: Mapping[str, str] | None = None,
    batch: int | None = None,
    cpu: str | None = None,
    force: bool = False,
    prove: Callable[[PlainArtifact], bool] | None = None,
    progress: Progress = lambda _: None,
) -> PlainArtifact:
    """Compiles the step of an .onnx file with TVM's own fused kernels.

    out: folder, by default `<file>-<target>`. name: prefix of files and C symbols, by default the file's
    name. state: names of inputs that are state, each with its output, beside those of usual names.
    batch: 1 sets every open extent. prove: as in `build` of a network. Raises ModelError,
    UnsupportedError, InputError, ToolchainError, UsageError, CompilerCrash.
    """
    profile = plain_profile(target)
    graph = read(path, state=state, batch=batch)
    for past, present in graph.found:
        progress(f"state by its name: {past} -> {present}")
    name = artifact_name(Path(path).stem, name)
    out = named(Path(out or "-".join(filter(None, (name, profile.name, cpu)))))
    toolchain.cc(profile.triple or profile.core)
    with staging(out, force) as stage:
        folder = stage.folder
        (folder / "model.onnx").write_bytes(graph.proto.SerializeToString())
        progress(f"compiling for {profile.name} with TVM's own kernels: the slower lane")
        built = child.call(
            "delrec_compile.plain_onnx.build:assemble_plain",
            stage=str(folder),
            target=target if target.endswith(".toml") else profile.name,
            name=name,
            cpu=cpu,
        )
        entries: dict[str, Any] = {"name": name, "target": profile.name}
        entries |= {"machine": profile.machine, "steps_per_call": 1}
        entries |= {"inputs": graph.x.elements, "outputs": graph.y.elements}
        entries |= {**built, "tools": tools(), "files": checksums(folder)}
        manifest = PlainManifest.from_json(entries)
        return stage.complete(manifest, PlainArtifact, prove, progress)


def plain_profile(target: str) -> Target:
    """The profile. Raises UnsupportedError for one that plain steps do not build for."""
    profile = targets.load(target)
    if profile.form not in FORMS:
        allowed = [n for n in targets.names() if targets.load(n).form in FORMS]
        raise UnsupportedError(
            f"a plain ONNX step does not build for '{profile.name}'; allowed: {', '.join(allowed)}"
        )
    return profile


def assemble_plain(stage: str, target: str, name: str, cpu: str | None) -> dict[str, Any]:
    """model.onnx of the stage -> the files of the target's form beside it. Runs in a child.

    Returns entries of the manifest.
    """
    tvm_loader.load()
    from delrec_compile.compiler.codegen.cpu import pick
    from delrec_compile.plain_onnx.lower import lower
    from delrec_compile.plain_onnx.sources import write_sources

    root = Path(stage)
    graph = read(root / "model.onnx")
    profile = targets.load(target)
    llvm, _ = pick(profile, cpu)
    sources = profile.form == "sources"
    program = lower(graph, tile=TILE if sources else 0, library=not sources)
    if sources:
        files = write_sources(root, graph, program, name, profile)
    else:
        files = _write_library(root, graph, program, name, BuildMachine.of(profile, llvm))
    return {
        "llvm": llvm,
        "kernels": len(program.functions),
        "calls": len(program.calls),
        "state": {p.name: {"elements": p.elements, "dtype": p.dtype} for p in graph.past},
        **files,
    }


def _write_library(
    root: Path, graph: StepGraph, program: Program, name: str, machine: BuildMachine
) -> dict[str, Any]:
    """Writes lib/lib<name>.so and include/<name>.h. Returns entries of the manifest."""
    from delrec_compile.compiler.codegen.native import write_object

    for folder in ("lib", "include"):
        (root / folder).mkdir()
    library = root / "lib" / f"lib{name}.so"
    with work_folder() as work:
        functions = {kernel_symbol(name, n): f for n, f in program.functions.items()}
        write_object(functions, machine.llvm, work / "kernels.o")
        for file, text in render(graph, program, name).items():
            (work / file).write_text(text)
        libraries = () if machine.triple else ("-lm",)
        link(work, name, library, machine.triple, ENTRIES, libraries, machine.cpu)
        check_cpu(library, machine.llvm)
        (root / "include" / f"{name}.h").write_bytes((work / f"{name}.h").read_bytes())
    return {"library": f"lib/lib{name}.so", "library_bytes": library.stat().st_size}
