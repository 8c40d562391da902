"""A graph -> the same in operators that the importer knows."""

from __future__ import annotations

from collections.abc import Callable

import onnx
from onnx import numpy_helper

from delrec_compile.plain_onnx.rewrites.nodes import Known, Nodes, RefusedError, attributes
from delrec_compile.plain_onnx.rewrites.recurrent import GATES, recurrent
from delrec_compile.plain_onnx.rewrites.single import SINGLE

Rewrite = Callable[[onnx.NodeProto, Nodes], None]
REWRITES: dict[str, Rewrite] = {**dict.fromkeys(GATES, recurrent), **SINGLE}


def rewritten(
    proto: onnx.ModelProto, concerned: Callable[[onnx.NodeProto], bool] = lambda _: True
) -> onnx.ModelProto:
    """The graph without the operators in REWRITES that can be taken apart; the others stay.

    concerned: whether a node is to be taken apart.
    """
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    graph, known, prefix = made.graph, Known.of(proto), _free_prefix(proto.graph)
    nodes: list[onnx.NodeProto] = []
    for i, node in enumerate(proto.graph.node):
        taken = taken_apart(node, known, f"{prefix}{i}") if concerned(node) else None
        if isinstance(taken, Nodes):
            nodes.extend(taken.nodes)
            arrays = taken.constants.items()
            used = {name for n in taken.nodes for name in n.input}
            graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays if n in used)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    return made


def by_batch_apart(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph without recurrent nodes of layout 1, which ONNX Runtime does not run."""
    if not any(_is_by_batch(node) for node in proto.graph.node):
        return proto
    return rewritten(proto, _is_by_batch)


def _is_by_batch(node: onnx.NodeProto) -> bool:
    return node.op_type in GATES and bool(attributes(node).get("layout", 0))


def _drop_unused(graph: onnx.GraphProto) -> None:
    """Drops constants that no node reads, also where the file lists them as inputs."""
    text = {name for node in graph.node for name in node.input}
    text |= {v.name for v in graph.output} | _read_inside(graph)
    kept = [t for t in graph.initializer if t.name in text]
    gone = {t.name for t in graph.initializer} - {t.name for t in kept}
    if gone:
        inputs = [v for v in graph.input if v.name not in gone]
        for values, left in ((graph.initializer, kept), (graph.input, inputs)):
            del values[:]
            values.extend(left)


def _read_inside(graph: onnx.GraphProto) -> set[str]:
    """Names that inner graphs read."""
    inner = [g for n in graph.node for a in n.attribute for g in (a.g, *a.graphs) if g.node]
    own = {name for g in inner for node in g.node for name in node.input}
    return own.union(*(_read_inside(g) for g in inner))


def taken_apart(
    node: onnx.NodeProto, known: Known, prefix: str = "part"
) -> Nodes | RefusedError | None:
    """The nodes in the place of one, or why there are none; None for one that needs no rewrite."""
    rewrite = REWRITES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if rewrite is None:
        return None
    nodes = Nodes(prefix, known)
    try:
        rewrite(node, nodes)
    except RefusedError as refused:
        return refused
    return nodes


def _free_prefix(graph: onnx.GraphProto) -> str:
    """The beginning of names that no value of the graph has."""
    names = {n for node in graph.node for n in (*node.input, *node.output)}
    names |= {t.name for t in graph.initializer}
    prefix = "part"
    while any(name.startswith(prefix) for name in names):
        prefix += "_"
    return prefix
