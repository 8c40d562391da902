"""The C around the kernels of a plain step's library: header, constants, entry points, self-test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from delrec_compile.aliases import F32
from delrec_compile.artifact.templates import render_files
from delrec_compile.compiler.glue import identity
from delrec_compile.compiler.tables import crc
from delrec_compile.errors import UnsupportedError
from delrec_compile.network.tolerances import ONE_CALL
from delrec_compile.plain_onnx.c_text import TYPES, initialiser
from delrec_compile.plain_onnx.reference import inputs_of, outputs_of
from delrec_compile.plain_onnx.step_graph import StepGraph

if TYPE_CHECKING:
    from delrec_compile.plain_onnx.lower import Program, Slot

TEMPLATES = {"{name}.h": "plain.h.in", "{name}.c": "plain.c.in"}
GOLDEN_STEPS = 8


def render(graph: StepGraph, program: Program, name: str) -> dict[str, str]:
    """Text of each file, by its name."""
    variables = _variables(graph, program, name)
    variables["identity"] = identity(TEMPLATES, {**variables, "name": ""})
    return render_files(TEMPLATES, variables)


def _variables(graph: StepGraph, program: Program, name: str) -> dict[str, Any]:
    inputs, outputs = graph.x.elements, graph.y.elements
    copies, states, saved = moves(graph, program, _expression)
    return {
        "name": name,
        "macro": name.upper(),
        "guard": f"{name.upper()}_H",
        "summary": f"a step of {inputs} inputs and {outputs} outputs",
        "inputs": inputs,
        "outputs": outputs,
        "state": [_member(s) for s in program.of("state")],
        "work": [_member(s) for s in (*program.of("work"), *saved)],
        "constants": [
            {**_member(program.slots[n]), "body": initialiser(a), "crc": crc(a)}
            for n, a in program.constants.items()
        ],
        "kernels": _prototypes(program),
        "calls": [
            {"kernel": c.kernel, "arguments": [_expression(s) for s in (*c.reads, *c.writes)]}
            for c in program.calls
        ],
        "copies": copies,
        "result": _expression(program.results[graph.y.name]),
        "states": states,
        "golden": _golden(graph),
    }


def moves(
    graph: StepGraph, program: Program, expression: Callable[[Slot], str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Slot]]:
    """Copies before the outputs, copies after them, and the slots that the first need.

    State that becomes other state is saved before anything is overwritten. expression: C of a slot.
    """
    first, then, saved = [], [], []
    for i, (p, q) in enumerate(zip(graph.past, graph.present, strict=True)):
        to, source = program.ports[p.name], program.results[q.name]
        if source is to:
            continue
        if source.kind == "state":
            copy = replace(source, name=f"set_aside_{i}", kind="work")
            first.append((copy, source))
            saved.append(copy)
            source = copy
        then.append((to, source))

    def texts(pairs: list[tuple[Slot, Slot]]) -> list[dict[str, Any]]:
        return [
            {"to": expression(a), "source": expression(b), "elements": a.elements} for a, b in pairs
        ]

    return texts(first), texts(then), saved


def _member(slot: Slot) -> dict[str, Any]:
    return {"name": slot.name, "ctype": TYPES[slot.dtype], "elements": slot.elements}


def _expression(slot: Slot) -> str:
    """C expression of a slot in the glue."""
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
    x, y = recorded(graph, inputs_of(graph, GOLDEN_STEPS, 1)[:, 0])
    return {
        "steps": len(x),
        "input": initialiser(x.reshape(-1)),
        "output": initialiser(y.reshape(-1)),
        "tolerance": f"{ONE_CALL}f",
    }


def recorded(graph: StepGraph, x: F32) -> tuple[F32, F32]:
    """x and ONNX Runtime's outputs, up to the first that are not all finite: no tolerance judges those.

    x: (steps, inputs). Raises UnsupportedError where the first are not finite.
    """
    y = outputs_of(graph, x)
    finite = np.isfinite(y).all(axis=1)
    steps = len(x) if finite.all() else int(finite.argmin())
    if steps == 0:
        value = y[0][~np.isfinite(y[0])][0]
        raise UnsupportedError(
            f"output '{graph.y.name}' is {value} at the first step; the self-test of a library needs "
            "a finite one: keep it finite, for example with a Clip"
        )
    return x[:steps], np.ascontiguousarray(y[:steps])
