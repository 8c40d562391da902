"""ONNX files as protobuf, and what is looked at before any engine reads one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, numpy_helper

from delrec_compile.errors import ModelError
from delrec_compile.system.recognise import GRAPHS, Kind, recognise, wrong_file

ELEMENTS = 1 << 28  # of the largest tensor that a step may hold: 1 GB of float32
# kinds of files that may be a damaged graph
UNCLEAR = (*GRAPHS, Kind.OTHER)
LOOPS = ("Loop", "Scan")


def read(path: Path, needed: str, fix: str) -> ModelProto:
    """The graph of a file, without the data files that it names.

    needed: what it should hold; fix: how to make one; both for errors. Raises ModelError.
    """
    if not path.is_file() or recognise(path).kind not in UNCLEAR:
        raise ModelError(wrong_file(path, needed))
    try:
        proto = onnx.load_model_from_string(path.read_bytes())
        readable = all(isinstance(text, str) for text in _texts(proto))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # protobuf raises its own, undeclared kinds
        why = one_line(error)
        raise ModelError(f"{path} is not a complete ONNX file ({why}); {fix}") from error
    if not readable:
        raise ModelError(f"{path} is not a complete ONNX file (a name is no text); {fix}")
    if not proto.graph.node:
        raise ModelError(f"{path} is not a complete ONNX file (it holds no graph); {fix}")
    return proto


def _texts(proto: ModelProto) -> Iterator[object]:
    """Every name and value; protobuf gives bytes, or raises, where one is no UTF-8."""
    graph = proto.graph
    for entry in proto.metadata_props:
        yield from (entry.key, entry.value)
    for value in (*graph.input, *graph.output, *graph.value_info, *tensors(proto)):
        yield value.name
    for node in nodes(proto):
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)


def type_name(kind: int) -> str:
    """The name of a type of tensors, such as `float`; its number where ONNX has none for it."""
    known = onnx.TensorProto.DataType.values()
    return onnx.TensorProto.DataType.Name(kind).lower() if kind in known else f"number {kind}"


def one_line(error: object, limit: int = 200) -> str:
    """The text of another library's error on one line, shortened."""
    return " ".join(str(error).split())[:limit]


def nodes(proto: ModelProto) -> Iterator[NodeProto]:
    """Every node, those of functions and inner graphs too."""
    stack = [iter(proto.graph.node), *(iter(f.node) for f in proto.functions)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        yield node
        stack += [iter(graph.node) for a in node.attribute for graph in _graphs(a)]


def tensors(proto: ModelProto) -> Iterator[TensorProto]:
    """Every tensor that the file holds or names: initializers, and attributes of nodes."""
    yield from _initializers(proto.graph)
    for node in nodes(proto):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            one = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            for sparse in (*one, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for graph in _graphs(attribute):
                yield from _initializers(graph)


def _graphs(attribute: AttributeProto) -> list[GraphProto]:
    return [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]


def _initializers(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)


def refuse_data_files(proto: ModelProto, where: str, fix: str) -> None:
    """Raises ModelError for a tensor whose data lies in another file: engines would open it."""
    for tensor in tensors(proto):
        if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
            names = [e.value for e in tensor.external_data if e.key == "location"]
            raise ModelError(
                f"{where}: tensor '{tensor.name}' lies in another file ({', '.join(names) or '?'}); "
                f"a step holds its own; {fix}"
            )


def refuse_huge(proto: ModelProto, where: str) -> None:
    """Raises ModelError for a tensor of the file, or a value of the graph, that is too large."""
    shapes = [(t.name, list(t.dims)) for t in tensors(proto)]
    graph = proto.graph
    for value in (*graph.input, *graph.value_info, *graph.output):
        dims = value.type.tensor_type.shape.dim
        shapes.append((value.name, [d.dim_value or 1 for d in dims]))
    for name, shape in shapes:
        if min(shape, default=0) < 0 or math.prod(shape) > ELEMENTS:
            raise ModelError(
                f"{where}: '{name}' has shape {shape}; allowed: up to {ELEMENTS:,} values"
            )


def unsound(proto: ModelProto, infinite: bool) -> tuple[str, str] | None:
    """The name and the first value of a tensor that holds NaN, or infinity too; None: all are sound."""
    for tensor in tensors(proto):
        if tensor.data_location == TensorProto.EXTERNAL:
            continue
        try:
            values = numpy_helper.to_array(tensor)
        except (TypeError, ValueError, KeyError):
            continue  # the checker and the engines name it
        if values.dtype.kind != "f":
            continue
        bad = ~np.isfinite(values) if infinite else np.isnan(values)
        if bad.any():
            at = [int(i) for i in np.argwhere(bad)[0]]
            return f"{tensor.name}{at if at else ''}", str(values[tuple(at)])
    for node in nodes(proto):
        for attribute in node.attribute:
            for value in (attribute.f, *attribute.floats):
                if math.isnan(value) or (infinite and math.isinf(value)):
                    return f"{attribute.name} of node '{node.name or node.op_type}'", str(value)
    return None


def may_not_end(proto: ModelProto) -> bool:
    """Whether a node of the graph repeats others as often as its data say."""
    return any(node.op_type in LOOPS for node in nodes(proto))
