"""Reading a step graph, with its state schema checked against its metadata."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from delrec_compile.errors import ModelError
from delrec_compile.network.model import Network
from delrec_compile.network.onnx_step import file
from delrec_compile.network.state import PAST, PRESENT
from delrec_compile.network.tensor_file import DAMAGE
from delrec_compile.ops.readout import DECISIONS
from delrec_compile.system.fields import parse_json

DOMAIN = "ai.delrec"
FORMAT_VERSION = 1
NEEDED = "an ONNX step of this project"
AGAIN = "make one with 'delrec-compile export'"
OWN = f"{AGAIN}, or compile a step of another source with 'delrec-compile build'"


@dataclass(frozen=True)
class StateVarIO:
    """One state tensor of the graph: `past_<name>` in, `present_<name>` out.

    shape: without the batch axis. init: how a fresh stream starts.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    init: str
    meaning: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class StepModel:
    """A step graph with its metadata (without the prefix `delrec.`). unroll: time steps per call."""

    proto: onnx.ModelProto
    state: tuple[StateVarIO, ...]
    unroll: int
    form: str
    dt_ms: float
    decision: str
    labels: tuple[str, ...]
    metadata: dict[str, str]

    @property
    def batch(self) -> int | None:
        """Streams of a call; None where any number goes."""
        rows = _shape(self.proto.graph.input[0])[-2]
        return rows if isinstance(rows, int) and rows > 0 else None

    @property
    def inputs(self) -> int:
        return int(_shape(self.proto.graph.input[0])[-1])

    @property
    def outputs(self) -> int:
        return int(_shape(self.proto.graph.output[0])[-1])

    @property
    def classes(self) -> int:
        """Outputs of which the class is chosen: those of the first readout."""
        return int(self.metadata.get("classes", self.outputs))

    @property
    def populations(self) -> list[str]:
        """Names of those that fire; none in a chain."""
        return [str(name) for name in parse_json(self.metadata.get("populations", "[]"))]

    @property
    def max_input(self) -> float | None:
        """The largest value of an input; None where the step does not say."""
        most = self.metadata.get("max_input")
        return None if most is None else float(most)

    @property
    def source_sha256(self) -> str:
        """Digest of the network that the step was made from."""
        return self.metadata["source_sha256"]


def schema_of(network: Network) -> list[StateVarIO]:
    """The state of a network as its ONNX step shows it."""
    return [StateVarIO(s.name, s.shape, "float32", "zeros", s.meaning) for s in network.state()]


def state_abi(state: Iterable[StateVarIO]) -> str:
    """Hash of the sorted names, dtypes and shapes: states of equal ABI are interchangeable."""
    rows = sorted(f"{s.name} {s.dtype} {list(s.shape)}" for s in state)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def load_model(path: Path | str) -> StepModel:
    """Reads and checks an ONNX step.

    Raises ModelError: missing, not ONNX, not a delrec step, or a state schema that does not match.
    """
    path = Path(path)
    return read_model(file.read(path, NEEDED, AGAIN), str(path))


def read_model(proto: onnx.ModelProto, where: str = "the model") -> StepModel:
    """Checks a graph in memory as `load_model` does a file; `where` names it in errors."""
    metadata = {
        p.key.removeprefix("delrec."): p.value
        for p in proto.metadata_props
        if p.key.startswith("delrec.")
    }
    if metadata.get("format_version") != str(FORMAT_VERSION):
        raise ModelError(
            f"{where} is not a step of this project (delrec.format_version is "
            f"'{metadata.get('format_version', 'absent')}', needed '{FORMAT_VERSION}'); {OWN}"
        )
    model, abi = _described(proto, metadata, where)
    if abi != state_abi(model.state):
        raise ModelError(f"{where}: the state schema does not match its own hash; {AGAIN}")
    _check_ports(model, where)
    file.refuse_data_files(proto, where, AGAIN)
    file.refuse_huge(proto, where)
    if fault := file.unsound(proto, infinite=True):
        raise ModelError(f"{where}: {fault[0]} is {fault[1]}; weights are finite numbers; {AGAIN}")
    return model


def _described(
    proto: onnx.ModelProto, metadata: dict[str, str], where: str
) -> tuple[StepModel, str]:
    """The model as its metadata describe it, and the hash of its state there. Raises ModelError."""
    try:
        rows = parse_json(metadata["state"])
        state = tuple(StateVarIO(**{**row, "shape": tuple(row["shape"])}) for row in rows)
        labels = tuple(parse_json(metadata["labels"]))
        model = StepModel(
            proto,
            state,
            unroll=int(metadata["unroll"]),
            form=metadata["form"],
            dt_ms=float(metadata["dt_ms"]),
            decision=metadata["decision"],
            labels=labels,
            metadata=metadata,
        )
        _check_values(model)
        return model, metadata["state_abi"]
    except DAMAGE as error:
        raise ModelError(f"{where}: its description is damaged ({error!r}); {AGAIN}") from error


def _check_values(model: StepModel) -> None:
    """Raises ValueError for a value of the metadata that no network has."""
    if model.unroll < 1:
        raise ValueError(f"unroll is {model.unroll}")
    int(model.metadata.get("classes", 1))
    if model.max_input is not None and not 0 < model.max_input < math.inf:
        raise ValueError(f"max_input is {model.max_input}")
    _ = model.populations, model.source_sha256
    if not 0 < model.dt_ms < math.inf:
        raise ValueError(f"dt_ms is {model.dt_ms}")
    if model.decision not in DECISIONS:
        raise ValueError(f"the decision is '{model.decision}'")
    if not all(isinstance(label, str) for label in model.labels):
        raise ValueError("a label is no text")
    if not all(isinstance(n, int) and n > 0 for s in model.state for n in s.shape):
        raise ValueError("a state has no size")


def _check_ports(model: StepModel, where: str) -> None:
    graph = model.proto.graph
    rank = 2 if model.unroll == 1 else 3
    for name, values in (("x", graph.input), ("y", graph.output)):
        shape = _shape(values[0]) if values else ()
        if not values or values[0].name != name or len(shape) != rank:
            raise ModelError(f"{where}: '{name}' with {rank} axes must come first; {AGAIN}")
        if (
            not isinstance(shape[-1], int)
            or shape[-1] < 1
            or (rank == 3 and shape[0] != model.unroll)
        ):
            raise ModelError(f"{where}: '{name}' has shape {list(shape)}; {AGAIN}")
    if not 1 <= model.classes <= model.outputs:
        raise ModelError(f"{where}: {model.classes} classes of {model.outputs} outputs; {AGAIN}")
    if model.labels and len(model.labels) != model.classes:
        raise ModelError(
            f"{where}: {len(model.labels)} labels for another number of outputs; {AGAIN}"
        )
    _check_state(model, where)


def _check_state(model: StepModel, where: str) -> None:
    graph = model.proto.graph
    for prefix, values in ((PAST, graph.input), (PRESENT, graph.output)):
        ports = {v.name: v for v in values if v.name.startswith(prefix)}
        schema = {f"{prefix}{s.name}": s for s in model.state}
        unmatched = sorted(ports.keys() ^ schema.keys())
        if unmatched:
            side = "only in the graph" if unmatched[0] in ports else "only in the schema"
            raise ModelError(
                f"{where}: the state does not match its schema: '{unmatched[0]}' is {side}; {AGAIN}"
            )
        for name, value in ports.items():
            if value.type.tensor_type.elem_type != onnx.TensorProto.FLOAT:
                kind = file.type_name(value.type.tensor_type.elem_type)
                raise ModelError(
                    f"{where}: '{name}' has type {kind}, the schema says "
                    f"{schema[name].dtype}; {AGAIN}"
                )
            shape = _shape(value)[1:]
            if shape != tuple(schema[name].shape):
                raise ModelError(
                    f"{where}: '{name}' has shape {list(shape)}, the schema says "
                    f"{list(schema[name].shape)}; {AGAIN}"
                )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim)
