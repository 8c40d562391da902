"""The semantic graph -> the portable one: standard operators, in as few nodes as it takes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from numpy.typing import NDArray
from onnx import numpy_helper

from delrec_compile.errors import ModelError
from delrec_compile.network.onnx_step.schema import DOMAIN


def to_portable(model: onnx.ModelProto) -> onnx.ModelProto:
    """Functions inlined, constants as initializers, no copies: standard ONNX operators only."""
    flat = onnx.inliner.inline_local_functions(model)
    nodes = _without_constants(flat.graph)
    nodes = _without_copies(flat.graph, nodes)
    _keep(flat.graph, nodes)
    for opset in [o for o in flat.opset_import if o.domain == DOMAIN]:
        flat.opset_import.remove(opset)
    return flat


def _without_constants(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes, each constant an initializer, equal ones stored once."""
    known: dict[bytes, str] = {}
    rename: dict[str, str] = {}
    nodes = []
    for node in graph.node:
        if node.op_type != "Constant":
            nodes.append(node)
            continue
        value = _constant(node)
        key = numpy_helper.from_array(value).SerializeToString(deterministic=True)
        if key not in known:
            known[key] = f"c{len(known)}"
            graph.initializer.append(numpy_helper.from_array(value, known[key]))
        rename[node.output[0]] = known[key]
    _rename(nodes, rename)
    return nodes


def _without_copies(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes without those that copy.

    What an output of the graph copies takes its name. Where two outputs copy one value, as the
    membrane of a readout and `y`, the second is computed by a node of its own: some engines take no
    tensor that is given out twice.
    """
    given = {value.name for value in graph.output}
    makers = {name: node for node in nodes for name in node.output if name}
    rename: dict[str, str] = {}
    kept = []
    for node in nodes:
        source = rename.get(node.input[0], node.input[0]) if node.input else ""
        maker = makers.get(source)
        copy = node.output[0]
        if node.op_type != "Identity":
            kept.append(node)
        elif copy not in given:
            rename[copy] = source
        elif maker is None or (source in given and len(maker.output) > 1):
            kept.append(node)  # it copies an input or a constant, or one result of several
        elif source in given:
            again = onnx.NodeProto()
            again.CopyFrom(maker)
            again.name, again.output[0] = f"{copy}_{maker.op_type}", copy
            kept.append(again)
        else:
            rename[source], makers[copy] = copy, maker
            maker.output[list(maker.output).index(source)] = copy
    _rename(kept, rename)
    return kept


def _rename(nodes: Iterable[onnx.NodeProto], names: dict[str, str]) -> None:
    """Gives the inputs of the nodes their new names; a new name may have one of its own."""
    for node in nodes:
        for i, name in enumerate(node.input):
            while name in names:
                name = names[name]
            node.input[i] = name


def _keep(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    """Puts the nodes in, and takes out constants and shapes of values that nothing uses."""
    read = {name for node in nodes for name in node.input}
    made = {name for node in nodes for name in node.output}
    given = {value.name for value in graph.output}
    constants = [t for t in graph.initializer if t.name in read]
    shapes = [v for v in graph.value_info if v.name in made - given]
    for field, values in (("node", nodes), ("initializer", constants), ("value_info", shapes)):
        graph.ClearField(field)
        getattr(graph, field).extend(values)


def _constant(node: onnx.NodeProto) -> NDArray[Any]:
    attribute = node.attribute[0]
    if attribute.name == "value":
        return np.asarray(numpy_helper.to_array(attribute.t))
    if attribute.name == "value_float":
        return np.array(attribute.f, np.float32)
    if attribute.name == "value_ints":
        return np.array(attribute.ints, np.int64)
    raise ModelError(f"constant '{node.output[0]}' has the unknown form '{attribute.name}'")
