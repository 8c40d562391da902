"""An ONNX step from any source: one input, one output, and state that is paired by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import onnx.inliner

from delrec_compile.errors import ModelError, UnsupportedError
from delrec_compile.network.onnx_step import file
from delrec_compile.network.state import PAST, PRESENT
from delrec_compile.plain_onnx.extents import check_batch, fixed
from delrec_compile.plain_onnx.rewrites.rewrite import by_batch_apart
from delrec_compile.plain_onnx.state_names import renamed, suggested
from delrec_compile.plain_onnx.state_pairs import found

NEEDED = "an ONNX step with its state as past_<name> and present_<name>"
OWN, PORTABLE = "delrec.", "portable"  # prefix of the metadata of exports, and their plain form
DTYPES = ("float32", "float64", "int8", "uint8", "int32", "int64", "bool")


@dataclass(frozen=True)
class Port:
    """An input or output tensor. shape: with the batch axis, which is 1 here."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class StepGraph:
    """A step. x, y: input and output. past, present: the state, in the same order.

    outputs: names of all outputs, in the order of the graph. found: inputs that usual names say are
    state, each with its output.
    """

    proto: onnx.ModelProto
    x: Port
    y: Port
    past: tuple[Port, ...]
    present: tuple[Port, ...]
    outputs: tuple[str, ...]
    found: tuple[tuple[str, str], ...] = ()

    @property
    def inputs(self) -> tuple[Port, ...]:
        """x and the state, in the order of the graph."""
        own = {p.name: p for p in (self.x, *self.past)}
        return tuple(own[v.name] for v in self.proto.graph.input if v.name in own)


def read(
    path: Path | str, *, state: Mapping[str, str] | None = None, batch: int | None = None
) -> StepGraph:
    """Reads a step graph, its batch axis as 1, and the data files beside it.

    state: names of inputs that are state, each with its output, where they have other names than the
    usual ones. batch: 1 sets every open extent. Raises ModelError: missing, not ONNX, an extent that
    is not known, or state that is not paired; UsageError for another batch.
    """
    check_batch(batch)
    path = Path(path)
    fix = "export it again"
    proto = file.read(path, NEEDED, fix)
    _refuse_other_forms(proto, str(path))
    file.refuse_huge(proto, str(path))
    try:
        fix = "keep the data files that it names beside it"
        onnx.load_external_data_for_model(proto, str(path.absolute().parent))
        fix = "export it again"
        onnx.checker.check_model(proto, full_check=True)
        if proto.functions:
            proto = onnx.inliner.inline_local_functions(proto)
        inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    except Exception as error:  # protobuf and onnx raise kinds of their own
        why = file.one_line(error)
        raise ModelError(f"{path} is not a valid ONNX file ({why}); {fix}") from error
    file.refuse_huge(inferred, str(path))
    return _paired(fixed(proto, batch), state or {}, str(path))


def _paired(proto: onnx.ModelProto, said: Mapping[str, str], where: str) -> StepGraph:
    """The step with its state, as it is said and as usual names tell."""
    pairs = found(proto, said, where)
    both = {**said, **pairs}
    made = graph_of(by_batch_apart(renamed(proto, both, where) if both else proto), where)
    return replace(made, found=tuple(pairs.items()))


def _refuse_other_forms(proto: onnx.ModelProto, where: str) -> None:
    """Raises UnsupportedError for an export of this project that is not one step of plain operators."""
    facts = {
        p.key.removeprefix(OWN): p.value for p in proto.metadata_props if p.key.startswith(OWN)
    }
    form, unroll = facts.get("form", PORTABLE), facts.get("unroll", "1")
    if (form, unroll) != (PORTABLE, "1"):
        raise UnsupportedError(
            f"{where} is an export of this project ({form} form, {unroll} steps per call) for other "
            "engines; build the .safetensors network that it was exported from: "
            "delrec-compile build NAME.safetensors"
        )


def graph_of(proto: onnx.ModelProto, where: str = "the model") -> StepGraph:
    """The step in a loaded model; `where` names it in errors. Raises ModelError."""
    proto = fixed(proto)
    constants = {t.name for t in proto.graph.initializer}
    ins = [_port(v, where) for v in proto.graph.input if v.name not in constants]
    outs = [_port(v, where) for v in proto.graph.output]
    past = {p.name.removeprefix(PAST): p for p in ins if p.name.startswith(PAST)}
    present = {p.name.removeprefix(PRESENT): p for p in outs if p.name.startswith(PRESENT)}
    if unpaired := sorted(past.keys() ^ present.keys()):
        name = f"{PAST}{unpaired[0]}" if unpaired[0] in past else f"{PRESENT}{unpaired[0]}"
        other = f"{PRESENT}{unpaired[0]}" if unpaired[0] in past else f"{PAST}{unpaired[0]}"
        raise ModelError(
            f"{where}: the state '{name}' has no '{other}'; each needs its counterpart"
        )
    for name, p in past.items():
        q = present[name]
        if (p.shape, p.dtype) != (q.shape, q.dtype):
            raise ModelError(
                f"{where}: '{p.name}' is {list(p.shape)} of {p.dtype}, '{q.name}' is {list(q.shape)} "
                f"of {q.dtype}; a state comes out as it goes in"
            )
    pairs = " ".join(f"--state {a}={b}" for a, b in suggested(proto).items())
    hint = f"{PAST}<name>{'; these look like state: ' + pairs if pairs else ', or said by --state'}"
    x = _only([p for p in ins if not p.name.startswith(PAST)], "input", hint, where)
    hint = hint.replace(PAST, PRESENT)
    y = _only([p for p in outs if not p.name.startswith(PRESENT)], "output", hint, where)
    outputs = tuple(p.name for p in outs)
    return StepGraph(proto, x, y, tuple(past.values()), tuple(present[n] for n in past), outputs)


def _only(ports: list[Port], side: str, hint: str, where: str) -> Port:
    if len(ports) != 1:
        names = ", ".join(p.name for p in ports) or "none"
        raise ModelError(
            f"{where}: {len(ports)} {side}s that are not state ({names}); a step has one, and state is "
            f"named {hint}"
        )
    if ports[0].dtype != "float32":
        raise ModelError(
            f"{where}: {side} '{ports[0].name}' is {ports[0].dtype}; float32 is required"
        )
    return ports[0]


def _port(value: onnx.ValueInfoProto, where: str) -> Port:
    """A tensor of known extents."""
    kind = value.type.tensor_type
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name if kind.elem_type else "none"
    if dtype not in DTYPES:
        raise ModelError(f"{where}: '{value.name}' is {dtype}; allowed: {', '.join(DTYPES)}")
    shape = [d.dim_value for d in kind.shape.dim]
    if 0 in shape:
        raise ModelError(
            f"{where}: '{value.name}' has an unknown extent at axis {shape.index(0)}; only that of the "
            "batch, the first axis of an input, may be unknown; --batch 1 makes all of them 1"
        )
    return Port(value.name, tuple(shape), dtype)
