"""The C sources around the kernels of a plain step, for targets without an operating system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from delrec_compile.artifact.templates import render_files
from delrec_compile.compiler.glue import SOURCES, identity
from delrec_compile.compiler.tables import crc
from delrec_compile.network.golden import (
    GOLDEN_FACTOR,
    GOLDEN_LIMITS,
    GOLDEN_SEED,
    GOLDEN_TERM,
    golden_counts,
)
from delrec_compile.network.tolerances import ONE_CALL
from delrec_compile.plain_onnx.arena import Array, placed
from delrec_compile.plain_onnx.c_text import SOURCE_TYPES, initialiser
from delrec_compile.plain_onnx.glue import GOLDEN_STEPS, moves, recorded
from delrec_compile.plain_onnx.step_graph import StepGraph

if TYPE_CHECKING:
    from delrec_compile.plain_onnx.lower import Program, Slot

TEMPLATES = {
    **{file: template for file, template in SOURCES.items() if not file.endswith(".hpp")},
    "include/{name}.h": "plain_source.h.in",
    "src/{name}.c": "plain_source.c.in",
    "src/{name}_math.h": "plain_math.h.in",
}
Scratch = Mapping[str, Sequence[tuple[str, int]]]  # arrays of each kernel: C type, elements


def render(graph: StepGraph, program: Program, scratch: Scratch, name: str) -> dict[str, str]:
    """Text of each file but the kernels', by its path. scratch: arrays that kernels take at the end."""
    variables = _variables(graph, program, scratch, name)
    variables["identity"] = identity(TEMPLATES, {**variables, "name": ""})
    return render_files(TEMPLATES, variables)


def _variables(graph: StepGraph, program: Program, scratch: Scratch, name: str) -> dict[str, Any]:
    inputs, outputs = graph.x.elements, graph.y.elements
    saved = moves(graph, program, lambda slot: slot.name)[2]
    offsets, sizes = placed(_arrays(program, scratch, saved))

    def expression(slot: Slot) -> str:
        if slot.kind in ("x", "constant"):
            return slot.name if slot.kind == "x" else f"{name}_{slot.name}"
        if slot.kind == "state":
            return f"state->{slot.name}"
        return f"state->{_arena(SOURCE_TYPES[slot.dtype])} + {offsets[slot.name]}"

    copies, states, _ = moves(graph, program, expression)
    result = {"to": "y", "source": expression(program.results[graph.y.name]), "elements": outputs}
    return {
        "name": name,
        "macro": name.upper(),
        "guard": f"{name.upper()}_H",
        "summary": f"a step of {inputs} inputs and {outputs} outputs",
        "inputs": inputs,
        "outputs": outputs,
        "input_type": "float",
        "real": None,
        "state": [_member(s.name, SOURCE_TYPES[s.dtype], s.elements) for s in program.of("state")],
        "work": [_member(_arena(ctype), ctype, n) for ctype, n in sizes.items()],
        "tables": _tables(program),
        "kernels": _prototypes(program, scratch),
        "calls": _calls(program, scratch, offsets, expression),
        "copies": copies,
        "result": result,
        "states": states,
        "golden": _golden(graph),
    }


def _arrays(program: Program, scratch: Scratch, saved: Sequence[Slot]) -> list[Array]:
    """The arrays of a step, with the calls that they are needed for."""
    end = len(program.calls)
    last = {s.name: i for i, call in enumerate(program.calls) for s in call.reads}
    last |= {s.name: end for s in program.results.values()}
    out = [Array(s.name, SOURCE_TYPES[s.dtype], s.elements, end, end) for s in saved]
    for i, call in enumerate(program.calls):
        for slot in call.writes:
            ctype = SOURCE_TYPES[slot.dtype]
            out.append(Array(slot.name, ctype, slot.elements, i, last.get(slot.name, i)))
        arrays = enumerate(scratch[call.kernel])
        out += [Array(_scratch(i, k), ctype, n, i, i) for k, (ctype, n) in arrays]
    return out


def _calls(
    program: Program, scratch: Scratch, offsets: Mapping[str, int], expression: Any
) -> list[dict[str, Any]]:
    """The calls of a step in C."""
    out = []
    for i, call in enumerate(program.calls):
        own = [expression(s) for s in (*call.reads, *call.writes)]
        arrays = enumerate(scratch[call.kernel])
        own += [f"state->{_arena(ctype)} + {offsets[_scratch(i, k)]}" for k, (ctype, _) in arrays]
        out.append({"kernel": call.kernel, "arguments": own})
    return out


def _scratch(call: int, index: int) -> str:
    return f"scratch_{call}_{index}"


def _arena(ctype: str) -> str:
    """The member of the state that holds arrays of a C type."""
    return f"work_{ctype.removesuffix('_t')}"


def _member(name: str, ctype: str, elements: int) -> dict[str, Any]:
    return {"name": name, "ctype": ctype, "elements": elements}


def _tables(program: Program) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "ctype": SOURCE_TYPES[program.slots[name].dtype],
            "size": array.size,
            "body": initialiser(array),
            "crc": crc(array),
        }
        for name, array in program.constants.items()
    ]


def _prototypes(program: Program, scratch: Scratch) -> list[dict[str, Any]]:
    out = {}
    for c in program.calls:
        reads = [f"const {SOURCE_TYPES[s.dtype]}" for s in c.reads]
        writes = [SOURCE_TYPES[s.dtype] for s in c.writes]
        arguments = [*reads, *writes, *(ctype for ctype, _ in scratch[c.kernel])]
        out[c.kernel] = {"name": c.kernel, "arguments": arguments}
    return list(out.values())


def _golden(graph: StepGraph) -> dict[str, Any]:
    """Inputs are the counts of a generator, which takes no memory; outputs are recorded."""
    inputs = graph.x.elements
    x, y = recorded(graph, golden_counts(GOLDEN_STEPS * inputs).reshape(GOLDEN_STEPS, inputs))
    return {
        "steps": len(x),
        "exact": False,
        "relative": True,
        "output": initialiser(y.reshape(-1)),
        "seed": f"{GOLDEN_SEED}u",
        "factor": f"{GOLDEN_FACTOR}u",
        "term": f"{GOLDEN_TERM}u",
        "limits": [f"{limit}u" for limit in GOLDEN_LIMITS],
        "most": len(GOLDEN_LIMITS),
        "tolerance": f"{ONE_CALL}f",
    }
