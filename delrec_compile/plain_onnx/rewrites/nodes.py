"""The nodes that take the place of one, and what is known of the values around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from delrec_compile.errors import UnsupportedError

Array = NDArray[Any]


@dataclass(frozen=True)
class Known:
    """What is known of a graph. shapes: of each value whose extents are all known. constants: by
    name. opset: version of the standard operators.
    """

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, int]
    constants: Mapping[str, Array]
    opset: int

    @classmethod
    def of(cls, proto: onnx.ModelProto) -> Known:
        """Infers shapes, those of values that constants decide among them."""
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
        shapes, dtypes = {}, {}
        for value in (*inferred.input, *inferred.output, *inferred.value_info):
            kind = value.type.tensor_type
            dtypes[value.name] = kind.elem_type
            extents = tuple(d.dim_value for d in kind.shape.dim)
            if kind.HasField("shape") and 0 not in extents:
                shapes[value.name] = extents
        constants = {t.name: numpy_helper.to_array(t) for t in proto.graph.initializer}
        for node in proto.graph.node:
            if node.op_type == "Constant":
                constants.update(zip(node.output, _value(node), strict=False))
        shapes |= {name: array.shape for name, array in constants.items()}
        dtypes |= {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in constants.items()}
        return cls(shapes, dtypes, constants, opset_of(proto))


def opset_of(proto: onnx.ModelProto) -> int:
    """Version of the standard operators."""
    return max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=1)


def _value(node: onnx.NodeProto) -> list[Array]:
    kinds = {"value_float": np.float32, "value_int": np.int64, "value_floats": np.float32}
    kinds["value_ints"] = np.int64
    values = attributes(node)
    if "value" in values:
        return [numpy_helper.to_array(values["value"])]
    return [np.array(v, kinds[k]) for k, v in values.items() if k in kinds]


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes of a node by name; text as str."""
    values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return {k: _text(v) for k, v in values.items()}


def _text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) and value and isinstance(value[0], bytes):
        return [v.decode() for v in value]
    return value


class RefusedError(UnsupportedError):
    """A node that no rewrite takes apart. reason, instead: what it is, and what would do."""

    def __init__(self, reason: str, instead: str) -> None:
        super().__init__(f"{reason}; {instead}")
        self.reason, self.instead = reason, instead


@dataclass
class Nodes:
    """Collects the nodes and constants that take the place of one. prefix: of their names."""

    prefix: str
    known: Known
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def add(self, kind: str, *inputs: str, out: str = "", **values: Any) -> str:
        """Adds a node of one output, or the constant that it computes.

        Returns the output's name, `out` where it has one.
        """
        node = helper.make_node(kind, list(inputs), [out or self._name()], **values)
        arrays = {name: self.value_of(name) for name in inputs}
        if not out and (result := evaluated(node, arrays, self.known.opset)) is not None:
            return self.constant(result[0], result[0].dtype)
        self.nodes.append(node)
        return str(node.output[0])

    def value_of(self, name: str) -> Array | None:
        """The array of a constant; None for what is computed."""
        own = self.constants.get(name)
        return self.known.constants.get(name) if own is None else own

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        """Adds a constant; returns its name."""
        name = self._name()
        self.constants[name] = np.asarray(value, dtype)
        return name

    def _name(self) -> str:
        return f"{self.prefix}_{len(self.nodes) + len(self.constants)}"

    def reshape(self, value: str, *shape: int, out: str = "") -> str:
        """Adds a Reshape."""
        return self.add("Reshape", value, self.constant(shape, np.int64), out=out)

    def columns(self, value: str, begin: int, end: int) -> str:
        """Adds a Slice of the last axis of a matrix."""
        if self.known.opset < 10:
            return self.add("Slice", value, starts=[begin], ends=[end], axes=[1])
        return self.add("Slice", value, *(self.constant([v], np.int64) for v in (begin, end, 1)))


def evaluated(
    node: onnx.NodeProto, inputs: Mapping[str, Array | None], opset: int
) -> list[Array] | None:
    """The outputs of a node whose inputs are all constants; None where it has none or others."""
    names = [name for name in node.input if name]
    arrays = {name: inputs.get(name) for name in names}
    if not names or any(array is None for array in arrays.values()):
        return None
    sides = [[onnx.ValueInfoProto(name=n) for n in side if n] for side in (names, node.output)]
    sides[0] = [onnx.ValueInfoProto(name=n) for n in dict.fromkeys(names)]
    graph = helper.make_graph([node], "one", *sides)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        results = ReferenceEvaluator(model).run(None, arrays)
    except Exception:  # what the evaluator does not know stays a node
        return None
    return [np.asarray(r) for r in results]
