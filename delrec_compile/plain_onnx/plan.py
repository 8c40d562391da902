"""The plan of a plain step: what each of its tensors and nodes becomes, or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx

from delrec_compile.network.onnx_step.file import unsound
from delrec_compile.network.plan import Plan, PlannedPart
from delrec_compile.plain_onnx.build import plain_profile
from delrec_compile.plain_onnx.operators import name_of, why_refused
from delrec_compile.plain_onnx.rewrites.folding import folded
from delrec_compile.plain_onnx.rewrites.nodes import Known, Nodes
from delrec_compile.plain_onnx.rewrites.rewrite import taken_apart
from delrec_compile.plain_onnx.step_graph import Port, StepGraph, read
from delrec_compile.system import child

FORM = "a plain ONNX step"
KERNEL = "a part of TVM's fused kernels"


def plan_build(
    path: Path | str,
    target: str = "x86_64",
    *,
    state: Mapping[str, str] | None = None,
    batch: int | None = None,
) -> Plan:
    """What `build` would make of an .onnx step; nothing is compiled or written.

    state: names of inputs that are state, each with its output. batch: 1 sets every open extent.
    Raises ModelError for a file that is no step, UnsupportedError for a target that takes none.
    """
    library = plain_profile(target).form == "library"
    graph = read(path, state=state, batch=batch)
    known = child.call("delrec_compile.plain_onnx.operators:supported")
    parts = [*_tensors(graph), *_nodes(graph, known, library)]
    return Plan(str(path), FORM, tuple(parts), _remarks(graph))


def _tensors(graph: StepGraph) -> Iterable[PlannedPart]:
    yield PlannedPart(graph.x.name, "input", f"x: {graph.x.elements} values of a step")
    for past, present in zip(graph.past, graph.present, strict=True):
        yield PlannedPart(f"{past.name} -> {present.name}", "state", _member(past))
    yield PlannedPart(graph.y.name, "output", f"y: {graph.y.elements} values of a step")


def _member(port: Port) -> str:
    return f"{port.elements} {port.dtype} of the state"


def _nodes(graph: StepGraph, supported: list[str], library: bool) -> Iterable[PlannedPart]:
    proto = folded(graph.proto)
    known = Known.of(proto)
    for node in proto.graph.node:
        refused, instead = why_refused(node, supported, known, library) or ("", "")
        becomes = "" if refused else _becomes(node, known)
        yield PlannedPart(name_of(node), node.op_type, becomes, refused, instead)


def _becomes(node: onnx.NodeProto, known: Known) -> str:
    if node.op_type == "Constant":
        return "a constant"
    taken = taken_apart(node, known)
    if isinstance(taken, Nodes):
        kinds = ", ".join(sorted({n.op_type for n in taken.nodes}))
        return f"{len(taken.nodes)} nodes ({kinds}), parts of TVM's fused kernels"
    return KERNEL


def _remarks(graph: StepGraph) -> tuple[str, ...]:
    fault = unsound(graph.proto, infinite=False)
    return (f"{fault[0]} is {fault[1]}: outputs that use it are no numbers",) if fault else ()
