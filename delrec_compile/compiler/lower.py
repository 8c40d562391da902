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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import onnx_frontend

from delrec_compile.compiler.kernels.base import Kernel
from delrec_compile.compiler.kernels.float32 import compose
from delrec_compile.compiler.kernels.gpu_float32 import compose_gpu
from delrec_compile.compiler.kernels.nodes import allowed
from delrec_compile.compiler.kernels.stack import Workspace, fitted
from delrec_compile.compiler.relax_reader import (
    PREFIX,
    SYNAPSES_OF,
    read_graph,
)
from delrec_compile.errors import UnsupportedError, did_you_mean
from delrec_compile.network.model import Maps, Network, Synapses
from delrec_compile.ops import maps_onnx
from delrec_compile.ops.registry import FUNCTIONS, NEURONS, READOUTS
from delrec_compile.targets.schedule import Schedule

DECLARED = [onnx.parser.parse_function(text) for text in FUNCTIONS]
# op -> attributes of its ONNX function
ATTRIBUTES = {f.name: (*f.attribute, *(a.name for a in f.attribute_proto)) for f in DECLARED}
TVM_ATTRIBUTE = "tvm_custom"  # added by TVM's importer


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

        return fitted(allowed(schedule, network), stack, make)

    return [("import", to_relax), ("read", read_graph), ("compose", composed)]


def to_relax(model: onnx.ModelProto) -> tvm.IRModule:
    """The graph at batch 1, each `ai.delrec` node a pure call named `delrec.<Op>`."""
    shapes = {
        v.name: [1, *(d.dim_value for d in v.type.tensor_type.shape.dim[1:])]
        for v in model.graph.input
    }
    with _importers():
        return onnx_frontend.from_onnx(model, shape_dict=shapes, keep_params_in_input=False)


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
    **dict.fromkeys(maps_onnx.KINDS, _mapped),
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


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "\n\n".join(k.function.script() for k in value.values())
    return value.script() if isinstance(value, tvm.IRModule) else repr(value)
