"""ONNX step -> TVM's fused kernels and the order in which they are called. Runs in a child."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import tvm
from numpy.typing import NDArray
from tvm import relax, s_tir, tirx
from tvm.relax.frontend.onnx import from_onnx

from delrec_compile.errors import UnsupportedError
from delrec_compile.plain_onnx.c_text import TYPES, members
from delrec_compile.plain_onnx.operators import refuse_unknown, supported
from delrec_compile.plain_onnx.quantised import (
    halves_to_even,
    in_product,
    stored,
    with_products,
)
from delrec_compile.plain_onnx.rewrites.folding import folded
from delrec_compile.plain_onnx.rewrites.rewrite import rewritten
from delrec_compile.plain_onnx.step_graph import StepGraph


@dataclass(frozen=True)
class Slot:
    """Memory of the step. name: C name. kind: "x", "state", "constant", or "work"."""

    name: str
    kind: str
    elements: int
    dtype: str


@dataclass(frozen=True)
class Call:
    """A kernel, the slots that it reads, and those that it writes."""

    kernel: str
    reads: list[Slot]
    writes: list[Slot]


@dataclass
class Program:
    """A step: its kernels, memory, and calls in order.

    ports: slot of each input, by its name in the graph. results: slot that each output is copied from.
    """

    functions: dict[str, Any] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    ports: dict[str, Slot] = field(default_factory=dict)
    results: dict[str, Slot] = field(default_factory=dict)

    def of(self, kind: str) -> list[Slot]:
        """The slots of a kind."""
        return [s for s in self.slots.values() if s.kind == kind]


def lower(graph: StepGraph, *, tile: int = 0, library: bool = True) -> Program:
    """The program of a step.

    tile: neighbours whose sums a core without vectors holds in registers; 0: all at once. library:
    whether the target has a C library.
    Raises UnsupportedError for an operator that TVM has no kernel for.
    """
    proto = folded(graph.proto)
    refuse_unknown(proto, supported(), library)
    proto, weights = (rewritten(proto), {}) if library else stored(rewritten(proto))
    return _Walk(graph, fused(graph, proto, weights), weights, tile).program


def fused(
    graph: StepGraph, proto: onnx.ModelProto, weights: Mapping[str, NDArray[Any]]
) -> tvm.IRModule:
    """The step in Relax: each call is one fused kernel, constants are folded.

    proto: the graph in operators that TVM imports. weights: inputs at its end that are constants.
    """
    t = relax.transform
    shapes = {p.name: list(p.shape) for p in graph.inputs}
    shapes |= {name: list(array.shape) for name, array in weights.items()}
    try:
        module = from_onnx(proto, shape_dict=shapes, keep_params_in_input=False)
    except Exception as error:  # the importer raises whatever its operators do
        why = " ".join(str(error).split())[-300:]
        raise UnsupportedError(f"TVM does not import this graph: {why}") from error
    passes = [t.DecomposeOpsForInference(), *([with_products()] if weights else [])]
    passes += [t.LegalizeOps(), t.FoldConstant(), t.AnnotateTIROpPattern(), t.FuseOps()]
    passes += [t.FuseTIR(), t.DeadCodeElimination()]
    with tvm.target.Target({"kind": "llvm"}):
        return tvm.ir.transform.Sequential(passes)(module)


class _Walk:
    """Follows the bindings of the step, a straight line."""

    def __init__(
        self,
        graph: StepGraph,
        module: tvm.IRModule,
        weights: Mapping[str, NDArray[Any]],
        tile: int,
    ) -> None:
        self.module, self.program, self.tile = module, Program(), tile
        self.at: dict[Any, Any] = {}  # variable -> slot name, or a list of them
        main = module["main"]
        names = members([p.name for p in graph.past])
        for var, array in zip(main.params[len(graph.inputs) :], weights.values(), strict=True):
            self.at[var] = self._constant(array)
        for var, port in zip(main.params, graph.inputs, strict=False):
            kind = "x" if port is graph.x else "state"
            self.at[var] = self._slot(names.get(port.name, "x"), kind, port.elements, port.dtype)
            self.program.ports[port.name] = self.program.slots[self.at[var]]
        for block in main.body.blocks:
            for binding in block.bindings:
                self.at[binding.var] = self._value(binding.value)
        outputs = _flat(self._value(main.body.body))
        slots = self.program.slots
        self.program.results = {n: slots[s] for n, s in zip(graph.outputs, outputs, strict=True)}

    def _slot(self, name: str, kind: str, elements: int, dtype: str) -> str:
        if dtype not in TYPES:
            raise UnsupportedError(
                f"the graph computes in {dtype}, which C has no type for; allowed: {', '.join(TYPES)}"
            )
        self.program.slots[name] = Slot(name, kind, elements, dtype)
        return name

    def _value(self, value: Any) -> Any:
        if value in self.at:
            return self.at[value]
        if isinstance(value, tvm.ir.GenericConst):
            return self._constant(value.value.numpy())
        if isinstance(value, relax.Tuple):
            return [self._value(f) for f in value.fields]
        if isinstance(value, relax.TupleGetItem):
            return self._value(value.tuple_value)[value.index]
        if isinstance(value, relax.Call) and value.op == tvm.ir.Op.get("relax.call_tir"):
            return self._call(value)
        raise UnsupportedError(
            f"the graph needs '{_called(value)}', which is not one of TVM's own kernels"
        )

    def _constant(self, value: NDArray[Any]) -> str:
        array = np.ascontiguousarray(value).reshape(-1)
        name = f"constant_{len(self.program.constants)}"
        self.program.constants[name] = array
        return self._slot(name, "constant", array.size, str(array.dtype))

    def _call(self, call: Any) -> Any:
        kernel, arguments = call.args[0], call.args[1]
        name = str(kernel.name_hint)
        if name not in self.program.functions:
            function = halves_to_even(name, in_product(name, self.module[kernel]))
            self.program.functions[name] = _reductions_outside(function, self.tile)
        results = list(call.ty_args[0].fields) if _is_tuple(call.ty_args[0]) else [call.ty_args[0]]
        writes: list[str] = []
        for type_ in results:
            elements = int(np.prod([int(e) for e in type_.shape], dtype=np.int64))
            slot = f"work_{len(self.program.calls)}_{len(writes)}"
            writes.append(self._slot(slot, "work", elements, str(type_.dtype.dtype)))
        reads = [s for a in arguments.fields for s in _flat(self._value(a))]
        slots = self.program.slots
        self.program.calls.append(Call(name, [slots[s] for s in reads], [slots[s] for s in writes]))
        return writes if _is_tuple(call.ty_args[0]) else writes[0]


def _is_tuple(type_: Any) -> bool:
    return isinstance(type_, relax.TupleType)


def _flat(value: Any) -> list[str]:
    return [s for v in value for s in _flat(v)] if isinstance(value, list) else [value]


def _called(value: Any) -> str:
    op = getattr(value, "op", value)
    return str(getattr(op, "name", None) or getattr(op, "global_symbol", None) or type(op).__name__)


def _reductions_outside(function: Any, tile: int) -> Any:
    """Moves the loop of each reduction outside, so that neighbours are added at once.

    Outside of all neighbours, or of `tile` of them where that divides their number. Each element is
    still summed in the order of the reduction: the bits stay the same.
    """
    schedule = s_tir.Schedule(tvm.IRModule({"main": function}))
    for block in schedule.get_child_blocks(schedule.get_sblock("root")):
        loops = schedule.get_loops(block)
        kinds = [v.iter_type for v in schedule.get(block).iter_vars]
        if len(kinds) != len(loops) or tirx.IterVar.CommReduce not in kinds:
            continue
        inner = [loop for loop, k in zip(loops, kinds, strict=True) if k == tirx.IterVar.CommReduce]
        outer = [loop for loop, k in zip(loops, kinds, strict=True) if k != tirx.IterVar.CommReduce]
        if not outer:
            continue
        if tile and int(schedule.get(outer[-1]).extent) % tile == 0:
            *others, neighbours = outer
            group, each = schedule.split(neighbours, [None, tile])
            schedule.reorder(*others, group, *inner, each)
            schedule.unroll(each)
        else:
            schedule.reorder(*inner, *outer)
        schedule.decompose_reduction(block, inner[0])
    return schedule.mod["main"]
