"""Semantic ONNX -> Relax -> one event-driven TIR function, with the state in place.

    phase      | from -> to                    | what happens
    -----------|-------------------------------|------------------------------------------------
    import     | ONNX -> Relax                 | every `ai.delrec` node becomes a call of its op
    read       | Relax -> layers               | calls become the ops' own descriptions again
    compose    | layers -> one TIR function    | each op emits its TIR; a T loop around the step

`phases()` is the list, in order; `lower(..., dump=folder)` writes the result of each phase.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tvm
from numpy.typing import NDArray
from tvm import relax
from tvm.relax.frontend.onnx import onnx_frontend

from delrec_compile.compiler.kernels.base import Kernel
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.gpu import compose_gpu
from delrec_compile.compiler.kernels.stack import Workspace, fitted
from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.network.model import Layer, Maps, Readout, Synapses
from delrec_compile.ops.nodes import Node
from delrec_compile.ops.registry import FUNCTIONS, NEURONS, READOUTS, SYNAPSES
from delrec_compile.targets.schedule import Schedule

PREFIX = "delrec."
DECLARED = [onnx.parser.parse_function(text) for text in FUNCTIONS]
# op -> attributes of its ONNX function
ATTRIBUTES = {f.name: (*f.attribute, *(a.name for a in f.attribute_proto)) for f in DECLARED}
TVM_ATTRIBUTE = "tvm_custom"  # added by TVM's importer
FEEDS = ("Linear", "Maps")
SYNAPSES_OF = {r.node: r for r in SYNAPSES.values()}
NEURON_OF = {node: n for n in NEURONS.values() for node in n.nodes}
READOUT_OF = {node: r for r in READOUTS.values() for node in r.nodes}


@dataclass(frozen=True)
class Graph:
    """The layers that a Relax graph computes, as the ops describe them."""

    layers: tuple[Layer, ...]
    readout: Readout


def lower(
    model: onnx.ModelProto,
    schedule: Schedule,
    *,
    generator: str = "llvm",
    counts: str = "float32",
    grids: Sequence[int | None] = (),
    stack: int | None = None,
    dump: Path | None = None,
) -> dict[str, Kernel]:
    """The kernels of the schedule, by name, of a semantic one-step model.

    generator, counts, grids: as in `compose`; generator `cuda` is a GPU. stack: as in `stack.fitted`.
    """
    value: Any = model
    for i, (name, phase) in enumerate(phases(schedule, generator, counts, grids, stack)):
        value = phase(value)
        if dump is not None:
            dump.mkdir(parents=True, exist_ok=True)
            (dump / f"{i}_{name}.txt").write_text(_text(value))
    kernels: dict[str, Kernel] = value
    return kernels


def phases(
    schedule: Schedule,
    generator: str = "llvm",
    counts: str = "float32",
    grids: Sequence[int | None] = (),
    stack: int | None = None,
) -> list[tuple[str, Callable[[Any], Any]]]:
    """The phases of the lowering, in order; each takes the result of the one before it."""

    def composed(graph: Graph) -> dict[str, Kernel]:
        if generator == "cuda":
            parts = (graph.layers, graph.readout, schedule)
            return {n: compose_gpu(*parts, trace=n == "trace") for n in ("run", "trace")}
        options: dict[str, Any] = {"generator": generator, "counts": counts, "grids": grids}

        def make(kernel: str, schedule: Schedule, workspace: Workspace) -> Kernel:
            own: dict[str, Any] = {"kernel": kernel, "workspace": workspace, **options}
            return compose(graph.layers, graph.readout, schedule, **own)

        return fitted(schedule, stack, make)

    return [("import", to_relax), ("read", read_graph), ("compose", composed)]


def to_relax(model: onnx.ModelProto) -> tvm.IRModule:
    """The graph at batch 1, each `ai.delrec` node a pure call named `delrec.<Op>`."""
    shapes = {
        v.name: [1, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
        for v in model.graph.input
    }
    with _importers():
        return onnx_frontend.from_onnx(model, shape_dict=shapes, keep_params_in_input=False)


def read_graph(module: tvm.IRModule) -> Graph:
    """Relax calls -> layers. Raises UnsupportedError for an operator that has no op here."""
    return _Reader(module["main"]).graph()


# Types of the results of each op's call. -----------------------------------


def _row(size: int) -> Any:
    return relax.TensorType((1, size), "float32")


def _dim(value: Any, axis: int) -> int:
    return int(value.ty.shape[axis])


def _mapped(args: list[Any], attributes: dict[str, Any]) -> Any:
    shape = [int(extent) for extent in args[1].ty.shape]
    return _row(Maps.from_node_attributes(shape, attributes).size)


def _like(of: tuple[int, ...]) -> Callable[[list[Any], dict[str, Any]], Any]:
    """Results of the types of these arguments."""
    if len(of) == 1:
        return lambda i, _: i[of[0]].ty
    return lambda i, _: relax.TupleType([i[k].ty for k in of])


# (arguments, attributes) -> type
RESULTS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "Linear": lambda i, _: _row(_dim(i[1], 0)),
    "Maps": _mapped,
    **dict.fromkeys(SYNAPSES_OF, lambda i, _: _row(_dim(i[0], 2))),
    "DelayPush": lambda i, _: i[0].ty,
    **{
        node: _like(of)
        for functions in (
            *(n.nodes | n.helper_nodes for n in NEURONS.values()),
            *(r.nodes for r in READOUTS.values()),
        )
        for node, of in functions.items()
    },
}


def _importer(op: str) -> Any:
    class Importer(onnx_frontend.OnnxOpConverter):  # type: ignore[misc]
        @classmethod
        def _impl_v1(cls, bb: Any, inputs: Any, attr: Any, params: Any) -> Any:
            args = list(inputs)
            attributes = {k: v for k, v in attr.items() if k != TVM_ATTRIBUTE}
            _check_attributes(op, attributes)
            note = tvm.ir.StringImm(json.dumps(attributes, default=list))
            kind = RESULTS[op](args, attributes)
            return bb.emit(relax.op.call_pure_packed(PREFIX + op, *args, note, ty_args=kind))

    return Importer


def _check_attributes(op: str, attributes: dict[str, Any]) -> None:
    """Raises UnsupportedError for an attribute that the op does not have."""
    allowed = ATTRIBUTES[op]
    for name in attributes:
        if name not in allowed:
            raise UnsupportedError(
                f"'{op}' has the attribute '{name}', which lowering does not know"
                f"{did_you_mean(name, allowed)}; allowed: {', '.join(allowed) or 'none'}"
            )


@contextlib.contextmanager
def _importers() -> Iterator[None]:
    # TVM has no public registry for ONNX operators; it asks this function at every import.
    original = onnx_frontend._get_convert_map
    ours = {op: _importer(op) for op in RESULTS}
    onnx_frontend._get_convert_map = lambda: {**original(), **ours}
    try:
        yield
    finally:
        onnx_frontend._get_convert_map = original


class _Reader:
    """Walks the bindings of a Relax function and rebuilds the layers."""

    def __init__(self, main: Any) -> None:
        self.nodes: dict[Any, tuple[str, list[Any], dict[str, Any]]] = {}
        self.alias: dict[Any, Any] = {}
        self.order: list[Any] = []
        for block in main.body.blocks:
            for binding in block.bindings:
                self._bind(binding.var, binding.value)

    def _bind(self, var: Any, value: Any) -> None:
        if isinstance(value, relax.TupleGetItem):
            self.alias[var] = value.tuple_value
        elif isinstance(value, relax.Tuple | relax.Var):
            return
        elif _called(value) == "relax.call_pure_packed":
            name = str(value.args[0].global_symbol).removeprefix(PREFIX)
            self.nodes[var] = (name, list(value.args[1:-1]), json.loads(value.args[-1].value))
            self.order.append(var)
        elif _called(value) == "relax.add":
            self.nodes[var] = ("Add", list(value.args), {})
        else:
            what = _called(value) or type(value).__name__
            raise UnsupportedError(
                f"the graph uses '{what}', which has no event-driven form here; "
                f"allowed: {', '.join(RESULTS)}, Add"
            )

    def _source(self, value: Any) -> tuple[str, list[Any], dict[str, Any]]:
        return self.nodes[self.alias.get(value, value)]

    def graph(self) -> Graph:
        layers = []
        for var in self.order:
            name, args, attributes = self.nodes[var]
            if name in NEURON_OF:
                neuron, current = NEURON_OF[name].from_node(self._node(name, args, attributes))
                weight, bias, recurrence, maps = self._current(current)
                layers.append(Layer(weight, bias, neuron, recurrence, maps))
            elif name in READOUT_OF:
                weight, bias, *_ = self._current(args[0])
                node = self._node(name, args, attributes)
                return Graph(tuple(layers), READOUT_OF[name].from_node(node, weight, bias))
        raise UnsupportedError(f"the graph has no readout; allowed: {', '.join(READOUT_OF)}")

    def _node(self, op: str, args: list[Any], attributes: dict[str, Any]) -> Node:
        return Node(op, args, attributes, _array, lambda value: self._node(*self._source(value)))

    def _current(
        self, value: Any
    ) -> tuple[NDArray[Any], NDArray[Any], Synapses | None, Maps | None]:
        name, args, attributes = self._source(value)
        if name in FEEDS:
            return _array(args[1]), _array(args[2]), None, _maps(name, args, attributes)
        feed, back = (self._source(a) for a in args)
        if name != "Add" or feed[0] not in FEEDS or back[0] not in SYNAPSES_OF:
            raise UnsupportedError(
                f"the graph has a current that is {name} of {feed[0]} and {back[0]}; allowed: one of "
                f"{', '.join(FEEDS)}, or Add of it and one of {', '.join(SYNAPSES_OF)}"
            )
        hist, *constants = back[1]
        recurrence = SYNAPSES_OF[back[0]].from_node(
            [_array(c) for c in constants], back[2], _dim(hist, 2)
        )
        return _array(feed[1][1]), _array(feed[1][2]), recurrence, _maps(*feed)


def _maps(name: str, args: list[Any], attributes: dict[str, Any]) -> Maps | None:
    return Maps.from_node_attributes(_array(args[1]).shape, attributes) if name == "Maps" else None


def _called(value: Any) -> str:
    return str(getattr(value.op, "name", value.op)) if isinstance(value, tvm.ir.Call) else ""


def _array(value: Any) -> NDArray[Any]:
    return np.array(value.value.numpy())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n\n".join(k.function.script() for k in value.values())
    return value.script() if isinstance(value, tvm.IRModule) else repr(value)
