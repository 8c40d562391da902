"""Nodes of constants alone -> constants, and the branch of an If that its constant condition takes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import numpy_helper

from delrec_compile.plain_onnx.rewrites.nodes import Array, Known, attributes, evaluated

# their outputs are no constants, or constants that are stored smaller as they are
KEPT = frozenset(
    {
        *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli"),
        *("Multinomial", "Dropout", "QuantizeLinear", "DequantizeLinear", "Constant", "If", "Loop"),
        *("Scan", "ConstantOfShape", "Expand", "Tile", "Range", "EyeLike"),
    }
)


def folded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with what constants decide computed."""
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    while _fold(made):
        pass
    return made


def _fold(proto: onnx.ModelProto) -> bool:
    """Whether a branch was put in the place of its If, so that more may be known."""
    known = Known.of(proto)
    constants = dict(known.constants)
    nodes: list[onnx.NodeProto] = []
    again = False
    for i, node in enumerate(proto.graph.node):
        results = None if node.domain or node.op_type in KEPT else _outputs(node, known, constants)
        if results is not None:
            constants.update(zip(node.output, results, strict=False))
            pairs = zip(results, node.output, strict=False)
            proto.graph.initializer.extend(numpy_helper.from_array(a, n) for a, n in pairs if n)
        elif (branch := _branch(node, constants)) is not None:
            nodes.extend(_inlined(node, branch, f"branch_{i}_", proto.graph))
            again = True
        else:
            nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return again


def _outputs(node: onnx.NodeProto, known: Known, constants: dict[str, Array]) -> list[Array] | None:
    if node.op_type == "Shape" and not node.attribute and node.input[0] in known.shapes:
        return [np.array(known.shapes[node.input[0]], np.int64)]
    return evaluated(node, constants, known.opset)


def _branch(node: onnx.NodeProto, constants: dict[str, Array]) -> onnx.GraphProto | None:
    """The branch that a constant condition takes."""
    if node.op_type != "If" or node.input[0] not in constants:
        return None
    taken = bool(np.all(constants[node.input[0]]))
    branch = attributes(node)["then_branch" if taken else "else_branch"]
    return branch if isinstance(branch, onnx.GraphProto) else None


def _inlined(
    node: onnx.NodeProto, branch: onnx.GraphProto, prefix: str, graph: onnx.GraphProto
) -> Iterable[onnx.NodeProto]:
    """The nodes of a branch; its own values get names that begin with the prefix."""
    own = [name for inner in branch.node for name in inner.output]
    own += [t.name for t in branch.initializer]
    names = {name: prefix + name for name in own if name}
    for tensor in branch.initializer:
        copy = graph.initializer.add()
        copy.CopyFrom(tensor)
        copy.name = names[tensor.name]
    for inner in branch.node:
        made = onnx.NodeProto()
        made.CopyFrom(inner)
        made.input[:] = [names.get(n, n) for n in inner.input]
        made.output[:] = [names.get(n, n) for n in inner.output]
        yield made
    for value, out in zip(branch.output, node.output, strict=True):
        name = names.get(value.name, value.name)
        yield onnx.helper.make_node("Identity", [name], [out])
