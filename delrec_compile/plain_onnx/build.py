"""ONNX step -> artifact: a shared library with a plain C header, and the graph it came from."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from delrec_compile import targets
from delrec_compile.aliases import Progress
from delrec_compile.artifact.abi import c_name
from delrec_compile.artifact.package import check_output, checksums, finish, staging, tools
from delrec_compile.artifact.plain import PlainArtifact, PlainManifest
from delrec_compile.compiler.shared_library import link
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.tolerances import ONE_CALL
from delrec_compile.plain_onnx.c_text import TYPES, initialiser
from delrec_compile.plain_onnx.reference import inputs_of, outputs_of
from delrec_compile.plain_onnx.step_graph import StepGraph, read
from delrec_compile.system import child, toolchain, tvm_loader

if TYPE_CHECKING:
    from delrec_compile.plain_onnx.lower import Program, Slot

ENTRIES = ("reset", "step", "run", "state_bytes", "self_test")
TEMPLATES = {"{name}.h": "plain.h.in", "{name}.c": "plain.c.in"}
GOLDEN_STEPS = 8


def build_plain(
    path: Path | str,
    target: str = "x86_64",
    out: Path | str | None = None,
    *,
    cpu: str | None = None,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> PlainArtifact:
    """Compiles the step of an .onnx file with TVM's own fused kernels.

    out: folder, by default `<file>-<target>`. Raises ModelError, UnsupportedError, InputError,
    ToolchainError, CompilerCrash.
    """
    profile = targets.load(target)
    if profile.form != "library":
        fit = [n for n in targets.names() if targets.load(n).form == "library"]
        raise UnsupportedError(
            f"a plain ONNX graph does not build for '{profile.name}'; allowed: {', '.join(fit)}"
        )
    graph = read(path)
    name = c_name(Path(path).stem)
    out = Path(out) if out is not None else Path(f"{name}-{profile.name}")
    check_output(out, force)
    toolchain.cc(profile.triple)
    with staging(out) as stage:
        (stage / "model.onnx").write_bytes(graph.proto.SerializeToString())
        progress(f"compiling for {profile.name} with TVM's own kernels: the slower lane")
        facts = child.call(
            "delrec_compile.plain_onnx.build:assemble_plain",
            stage=str(stage),
            target=target if target.endswith(".toml") else profile.name,
            name=name,
            cpu=cpu,
        )
        manifest = PlainManifest.from_json(
            {
                "name": name,
                "target": profile.name,
                "machine": profile.machine,
                "steps_per_call": 1,
                "inputs": graph.x.elements,
                "outputs": graph.y.elements,
                **facts,
                "tools": tools(),
                "files": checksums(stage),
            }
        )
        progress("packing")
        finish(stage, out, manifest)
        return PlainArtifact(out, manifest)


def assemble_plain(stage: str, target: str, name: str, cpu: str | None) -> dict[str, Any]:
    """In the child: model.onnx of the stage -> lib/lib<name>.so and include/<name>.h beside it."""
    tvm_loader.load()
    from delrec_compile.compiler.codegen.cpu import pick
    from delrec_compile.compiler.codegen.native import write_object
    from delrec_compile.plain_onnx.lower import lower

    root = Path(stage)
    graph = read(root / "model.onnx")
    profile = targets.load(target)
    llvm, _ = pick(profile, cpu)
    program = lower(graph)
    for folder in ("lib", "include"):
        (root / folder).mkdir()
    library = root / "lib" / f"lib{name}.so"
    with tempfile.TemporaryDirectory(prefix="delrec-") as temporary:
        work = Path(temporary)
        write_object(
            {f"{name}_kernel_{n}": f for n, f in program.functions.items()},
            llvm,
            work / "kernels.o",
        )
        for file, text in _render(graph, program, name).items():
            (work / file).write_text(text)
        link(work, name, library, profile.triple, ENTRIES, () if profile.triple else ("-lm",))
        (root / "include" / f"{name}.h").write_bytes((work / f"{name}.h").read_bytes())
    return {
        "llvm": llvm,
        "library": f"lib/lib{name}.so",
        "library_bytes": library.stat().st_size,
        "kernels": len(program.functions),
        "calls": len(program.calls),
        "state": {p.name: {"elements": p.elements, "dtype": p.dtype} for p in graph.past},
    }


def _render(graph: StepGraph, program: Program, name: str) -> dict[str, str]:
    folder = resources.files("delrec_compile.targets")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    facts = _facts(graph, program, name)
    return {
        file.format(name=name): environment.from_string((folder / source).read_text()).render(facts)
        for file, source in TEMPLATES.items()
    }


def _facts(graph: StepGraph, program: Program, name: str) -> dict[str, Any]:
    inputs, outputs = graph.x.elements, graph.y.elements
    copies, states, aside = _moves(graph, program)
    return {
        "name": name,
        "macro": name.upper(),
        "guard": f"{name.upper()}_H",
        "summary": f"a step of {inputs} inputs and {outputs} outputs",
        "inputs": inputs,
        "outputs": outputs,
        "state": [_member(s) for s in program.of("state")],
        "work": [_member(s) for s in (*program.of("work"), *aside)],
        "constants": [
            {**_member(program.slots[n]), "body": initialiser(a)}
            for n, a in program.constants.items()
        ],
        "kernels": _prototypes(program),
        "calls": [
            {"kernel": c.kernel, "arguments": [_at(s) for s in (*c.reads, *c.writes)]}
            for c in program.calls
        ],
        "copies": copies,
        "result": _at(program.results[graph.y.name]),
        "states": states,
        "golden": _golden(graph),
    }


def _moves(
    graph: StepGraph, program: Program
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[Slot]]:
    """Copies (to, from) before the outputs, those after them, and what the first need.

    State that goes on as other state is set aside before anything is overwritten.
    """
    first, then, aside = [], [], []
    for i, (p, q) in enumerate(zip(graph.past, graph.present, strict=True)):
        to, source = program.ports[p.name], program.results[q.name]
        if source is to:
            continue
        if source.kind == "state":
            kept = replace(source, name=f"set_aside_{i}", kind="work")
            first.append((_at(kept), _at(source)))
            aside.append(kept)
            source = kept
        then.append((_at(to), _at(source)))
    return first, then, aside


def _member(slot: Slot) -> dict[str, Any]:
    return {"name": slot.name, "ctype": TYPES[slot.dtype], "elements": slot.elements}


def _at(slot: Slot) -> str:
    """How the glue calls the slot."""
    return slot.name if slot.kind in ("x", "constant") else f"state->{slot.name}"


def _prototypes(program: Program) -> list[dict[str, Any]]:
    out = {}
    for c in program.calls:
        reads = [f"const {TYPES[s.dtype]}" for s in c.reads]
        out[c.kernel] = {
            "name": c.kernel,
            "arguments": [*reads, *(TYPES[s.dtype] for s in c.writes)],
        }
    return list(out.values())


def _golden(graph: StepGraph) -> dict[str, Any]:
    """Steps up to the first whose outputs are not all finite: no tolerance judges those."""
    x = inputs_of(graph, GOLDEN_STEPS, 1)[:, 0]
    y = outputs_of(graph, x)
    finite = np.isfinite(y).all(axis=1)
    steps = GOLDEN_STEPS if finite.all() else int(finite.argmin())
    if steps == 0:
        value = y[0][~np.isfinite(y[0])][0]
        raise UnsupportedError(
            f"output '{graph.y.name}' is {value} at the first step; the self-test of a library needs "
            "a finite one: keep it finite, such as by a Clip"
        )
    return {
        "steps": steps,
        "input": initialiser(x[:steps].reshape(-1)),
        "output": initialiser(np.ascontiguousarray(y[:steps]).reshape(-1)),
        "tolerance": f"{ONE_CALL}f",
    }
