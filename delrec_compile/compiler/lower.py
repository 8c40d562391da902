"""Semantic ONNX -> Relax -> one event-driven TIR function, with the state in place.

    phase      | from -> to                    | what happens
    -----------|-------------------------------|------------------------------------------------
    import     | ONNX -> Relax                 | every `ai.delrec` node becomes a call of its op
    read       | Relax -> populations          | calls become the ops' own descriptions again
    compose    | populations -> TIR functions  | each op emits its TIR; a T loop around the step

`phases()` is the list, in order; `lower(..., dump=folder)` writes the result of each phase.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
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
from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.compiler.kernels.nodes import is_layered, nodes_of
from delrec_compile.compiler.kernels.stack import Workspace, fitted
from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.network.model import (
    INPUT,
    Convolution,
    Dense,
    Maps,
    Network,
    Population,
    Projection,
    Synapses,
)
from delrec_compile.network.state import HISTORY, PAST
from delrec_compile.ops.nodes import Node
from delrec_compile.ops.readout import no_weight
from delrec_compile.ops.real_input import RealInput
from delrec_compile.ops.registry import FUNCTIONS, NEURONS, READOUTS, SYNAPSES
from delrec_compile.targets.schedule import Schedule

PREFIX = "delrec."
DECLARED = [onnx.parser.parse_function(text) for text in FUNCTIONS]
# op -> attributes of its ONNX function
ATTRIBUTES = {f.name: (*f.attribute, *(a.name for a in f.attribute_proto)) for f in DECLARED}
TVM_ATTRIBUTE = "tvm_custom"  # added by TVM's importer
FEEDS = ("Linear", "Maps")
JOINS = {"relax.add": "Add", "relax.concat": "Concat"}  # of currents, and of several outputs
SYNAPSES_OF = {r.node: r for r in SYNAPSES.values()}
NEURON_OF = {node: n for n in NEURONS.values() for node in n.nodes}
READOUT_OF = {node: r for r in READOUTS.values() for node in r.nodes}


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

    def composed(network: Network) -> dict[str, Kernel]:
        if generator == "cuda":
            return {n: compose_gpu(network, schedule, trace=n == "trace") for n in ("run", "trace")}
        options: dict[str, Any] = {"generator": generator, "counts": counts, "grids": grids}

        def make(kernel: str, schedule: Schedule, workspace: Workspace) -> Kernel:
            own: dict[str, Any] = {"kernel": kernel, "workspace": workspace, **options}
            return compose(network, schedule, **own)

        layered = is_layered(nodes_of(network))
        return fitted(schedule if layered else replace(schedule, chunk=0), stack, make)

    return [("import", to_relax), ("read", read_graph), ("compose", composed)]


def to_relax(model: onnx.ModelProto) -> tvm.IRModule:
    """The graph at batch 1, each `ai.delrec` node a pure call named `delrec.<Op>`."""
    shapes = {
        v.name: [1, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
        for v in model.graph.input
    }
    with _importers():
        return onnx_frontend.from_onnx(model, shape_dict=shapes, keep_params_in_input=False)


def read_graph(module: tvm.IRModule) -> Network:
    """Relax calls -> populations. Raises UnsupportedError for an operator that has no op here."""
    return _Reader(module["main"]).network()


# Types of the results of each op's call. -----------------------------------


def _row(size: int) -> Any:
    return relax.TensorType((1, size), "float32")


def _dim(value: Any, axis: int) -> int:
    return int(value.ty.shape[axis])


def _mapped(args: list[Any], attributes: dict[str, Any]) -> Any:
    shape = [int(extent) for extent in args[1].ty.shape]
    return _row(Maps.from_node_attributes(shape, attributes).size)


def _line(depth: int, size: int) -> Any:
    return relax.TensorType((1, depth, size), "float32")


def _delayed(kind: type[Synapses]) -> Callable[[list[Any], dict[str, Any]], Any]:
    """The current of synapses of a kind, from their line and constants."""

    def result(args: list[Any], attributes: dict[str, Any]) -> Any:
        shapes = [[int(extent) for extent in a.ty.shape] for a in args[1:]]
        return _row(kind.outputs_of(shapes, attributes, _dim(args[0], 2)))

    return result


def _like(of: tuple[int, ...]) -> Callable[[list[Any], dict[str, Any]], Any]:
    """Results of the types of these arguments."""
    if len(of) == 1:
        return lambda i, _: i[of[0]].ty
    return lambda i, _: relax.TupleType([i[k].ty for k in of])


# (arguments, attributes) -> type
RESULTS: dict[str, Callable[[list[Any], dict[str, Any]], Any]] = {
    "RealInput": lambda i, _: i[0].ty,
    "Linear": lambda i, _: _row(_dim(i[1], 0)),
    "Maps": _mapped,
    **{node: _delayed(kind) for node, kind in SYNAPSES_OF.items()},
    "DelayPush": lambda i, _: i[0].ty,
    "DelayLine": lambda i, _: _line(_dim(i[0], 1) + 1, _dim(i[0], 2)),
    "DelayNow": lambda i, _: _line(1, _dim(i[0], 1)),
    "DelayNewest": lambda i, attributes: _line(attributes["depth"][0], _dim(i[0], 2)),
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
        elif _called(value) in JOINS:
            self.nodes[var] = (JOINS[_called(value)], list(value.args), {})
        else:
            what = _called(value) or type(value).__name__
            raise UnsupportedError(
                f"the graph uses '{what}', which has no event-driven form here; "
                f"allowed: {', '.join(RESULTS)}, Add"
            )

    def _source(self, value: Any) -> tuple[str, list[Any], dict[str, Any]]:
        return self.nodes[self.alias.get(value, value)]

    def network(self) -> Network:
        """The populations in their order, by the names of their state."""
        populations: list[Population] = []
        made: dict[Any, str] = {}  # name of the population that a value comes from
        for var in self.order:
            name, args, attributes = self.nodes[var]
            node = self._node(name, args, attributes)
            if name in NEURON_OF:
                neuron, current = NEURON_OF[name].from_node(node)
                size = int(current.ty.shape[1])
                own = self._named(args, neuron.states, f"n{len(populations)}")
                parts = self._current(current, made)
                populations.append(Population(own, neuron, parts.projections, parts.bias(size)))
                made[var] = own
            elif name in READOUT_OF:
                parts = self._current(args[0], made)
                bias = parts.bias(int(args[0].ty.shape[1]))
                readout = READOUT_OF[name].from_node(node, no_weight(len(bias)), bias)
                own = self._named(args, readout.states, f"out{len(populations)}")
                populations.append(Population(own, readout, parts.projections))
        if all(p.fires for p in populations):
            raise UnsupportedError(f"the graph has no readout; allowed: {', '.join(READOUT_OF)}")
        return Network.of(populations, **self._inputs())

    def _inputs(self) -> dict[str, Any]:
        """How real inputs are rounded."""
        for name, _, attributes in self.nodes.values():
            if name == "RealInput":
                real = RealInput.from_node(attributes)
                return {"input_bits": real.bits, "max_input": real.max_input}
        return {}

    def _named(self, args: list[Any], states: Collection[str], default: str) -> str:
        """Name of a population, from that of its state."""
        for value in args:
            hint = str(value.name) if isinstance(value, relax.Var) else ""
            if value in self.nodes or not hint.startswith(PAST):
                continue
            for state in states:
                if hint.endswith(f"_{state}"):
                    return hint.removeprefix(PAST).removesuffix(f"_{state}")
        return default

    def _node(self, op: str, args: list[Any], attributes: dict[str, Any]) -> Node:
        return Node(op, args, attributes, _array, lambda value: self._node(*self._source(value)))

    def _current(self, value: Any, made: dict[Any, str]) -> _Current:
        """A sum of maps and of biases."""
        if isinstance(value, tvm.ir.GenericConst):
            return _Current((), [_array(value)])
        name, args, attributes = self._source(value)
        if name == "Add":
            parts = [self._current(a, made) for a in args]
            return _Current(
                tuple(p for part in parts for p in part.projections),
                [b for part in parts for b in part.biases],
            )
        if name in FEEDS:
            kernel = _array(args[1])
            feed = (
                Convolution(kernel, Maps.from_node_attributes(kernel.shape, attributes))
                if name == "Maps"
                else Dense(kernel)
            )
            source = self._origin(args[0], made)
            return _Current((Projection(source, feed),), [_array(args[2])])
        if name not in SYNAPSES_OF:
            raise UnsupportedError(
                f"the graph has a current that is made by {name}; allowed: a sum of "
                f"{', '.join([*FEEDS, *SYNAPSES_OF])} and constants"
            )
        line, *constants = args
        arrays = [_array(c) for c in constants]
        synapses = SYNAPSES_OF[name].from_node(arrays, attributes, _dim(line, 2))
        return _Current((Projection(self._origin(line, made), synapses),), [])

    def _origin(self, value: Any, made: dict[Any, str]) -> str:
        """Name of the population, or of the input, whose values or line a value is."""
        if value not in self.nodes and value not in self.alias:
            hint = str(value.name)
            return hint.removeprefix(PAST).removesuffix(f"_{HISTORY}") if hint != INPUT else INPUT
        root = self.alias.get(value, value)
        if root in made:
            return made[root]
        name, args, _ = self._source(value)
        return self._origin(args[-1] if name == "DelayLine" else args[0], made)


@dataclass(frozen=True)
class _Current:
    """The projections into a population, and the parts of its bias."""

    projections: tuple[Projection, ...]
    biases: list[NDArray[Any]]

    def bias(self, size: int) -> NDArray[Any]:
        """(N,), or one per channel where all parts have that many."""
        used = [b.reshape(-1) for b in self.biases if b.any()] or [np.zeros(size, np.float32)]
        if len({len(b) for b in used}) > 1:
            used = [np.repeat(b, size // len(b)) for b in used]
        return np.asarray(np.sum(used, axis=0), np.float32)


def _called(value: Any) -> str:
    return str(getattr(value.op, "name", value.op)) if isinstance(value, tvm.ir.Call) else ""


def _array(value: Any) -> NDArray[Any]:
    return np.array(value.value.numpy())


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n\n".join(k.function.script() for k in value.values())
    return value.script() if isinstance(value, tvm.IRModule) else repr(value)
